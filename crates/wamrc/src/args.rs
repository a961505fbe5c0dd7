//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use wayfarer_compiler::{Bounds, Format, Options};

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Compile.
    Compile(Box<Job>),
    /// Print the version.
    Version,
    /// Print LLVM's version.
    LlvmVersion,
    /// Print what an option can be.
    List(List),
}

/// What can be listed.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum List {
    /// Values of `--target`.
    Targets,
    /// Values of `--target-abi`.
    Abis,
    /// Values of `--cpu`, for a target triple.
    Processors(Option<String>),
    /// Values of `--cpu-features`, for a target triple.
    Features(Option<String>),
}

/// Why a command line is not accepted.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Only the help text can say it.
    Help,
    /// A message.
    Message(String),
    /// A message, and the help text after it.
    MessageAndHelp(String),
}

/// What comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An `.aot` file.
    Aot,
    /// Object files.
    Object,
    /// LLVM's text before optimization.
    IrUnoptimized,
    /// LLVM's text after it.
    IrOptimized,
}

/// What to compile, and how.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) options: Options,
    /// Proposals that the module may not use.
    pub(crate) without: Without,
    /// Options of LLVM's own.
    pub(crate) llvm: Vec<String>,
    pub(crate) log_level: u32,
    /// What is to be said about options that have no effect here.
    pub(crate) notes: Vec<String>,
}

/// Proposals that are switched off.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Without {
    pub(crate) simd: bool,
    pub(crate) bulk_memory: bool,
    pub(crate) reference_types: bool,
}

/// Architecture, its name in triples, and the ABIs that there are for it.
pub(crate) const TARGETS: &[(&str, &[&str])] = &[
    ("x86_64", &["gnu", "musl"]),
    ("aarch64", &["gnu", "musl"]),
    ("riscv64", &["lp64d", "gnu", "musl"]),
    ("s390x", &["gnu"]),
];

/// Options for which there is nothing to do: what they ask for is so anyway.
const ALWAYS_SO: &[&str] = &[
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-extended-const",
    "--enable-lime1",
    "--enable-linux-perf",
    "--enable-simd",
    "--enable-tail-call",
    "--disable-aux-stack-check",
    "--disable-llvm-lto",
    "--invoke-c-api-import",
];

/// Options, with or without a value, that change nothing a program could see if they are ignored; and why they are.
const IGNORED: &[(&str, &str)] = &[
    ("--disable-llvm-intrinsics", "what LLVM needs is part of the runtime"),
    ("--disable-llvm-jump-tables", "they are read-only data of the code"),
    ("--enable-builtin-intrinsics", "what LLVM needs is part of the runtime"),
    ("--enable-dump-call-stack", "call stacks are not recorded"),
    ("--enable-llvm-passes", "LLVM's own pipeline is used"),
    ("--enable-memory-profiling", "memory is not profiled"),
    ("--enable-multi-thread", "threads are not implemented: a module that uses them is refused"),
    ("--enable-perf-profiling", "execution time is not measured"),
    ("--enable-segue", "memory is not accessed by segment registers"),
    ("--native-lib", "imports are linked when the file is loaded"),
    ("--use-prof-file", "profiles are not used"),
];

/// Options, with or without a value, that ask for another program than would be compiled; and why it cannot be.
const REFUSED: &[(&str, &str)] = &[
    ("--enable-gc", "garbage-collected types are not implemented"),
    ("--enable-indirect-mode", "code always calls the runtime through its table; there are no other tables"),
    ("--enable-llvm-pgo", "code that writes profiles cannot be made"),
    ("--enable-shared-chain", "shared heaps are not implemented"),
    ("--enable-shared-heap", "shared heaps are not implemented"),
    ("--stack-usage", "stack usage is not analyzed"),
    ("--xip", "code cannot be run in place, it is relocated when loaded"),
    ("-sgx", "there is no runtime for SGX enclaves"),
];

/// Features of call stacks, as `--call-stack-features` names them.
const CALL_STACK_FEATURES: &[&str] = &["bounds-checks", "ip", "func-idx", "trap-ip", "values"];

/// Highest log level that is accepted.
const LOG_LEVEL_MAX: u32 = 5;

/// Reads the words after the program's own name.
///
/// # Errors
/// What to print before ending with status 1.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let mut parser = Parser::default();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next_if(|w| w.as_encoded_bytes().first() == Some(&b'-')) {
        // Only file names can be something else.
        let word = word.to_str().ok_or(Refusal::Help)?;
        match word {
            "-o" => parser.output = Some(words.next().ok_or(Refusal::Help)?.into()),
            "--version" => return Ok(Command::Version),
            "--llvm-version" => return Ok(Command::LlvmVersion),
            _ => parser.option(word)?,
        }
    }
    if let Some(list) = parser.list() {
        return Ok(Command::List(list));
    }
    let input = words.next().ok_or(Refusal::Help)?.into();
    // Nothing may follow the file.
    words.next().map_or(Ok(()), |_| Err(Refusal::Help))?;
    let output = parser.output.take().ok_or(Refusal::Help)?;
    parser.finish(input, output).map(|job| Command::Compile(Box::new(job)))
}

#[derive(Default)]
struct Parser {
    output: Option<PathBuf>,
    target: Option<String>,
    abi: Option<String>,
    kind: Option<Kind>,
    options: Options,
    without: Without,
    llvm: Vec<String>,
    log_level: Option<u32>,
    notes: Vec<String>,
}

impl Parser {
    fn option(&mut self, word: &str) -> Result<(), Refusal> {
        let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        let find = |list: &'static [(&str, &str)]| list.iter().find(|(n, _)| *n == name).map(|(_, why)| *why);
        if let Some(why) = find(REFUSED) {
            return Err(Refusal::Message(format!("Error: {name}: {why}")));
        }
        if let Some(why) = find(IGNORED) {
            self.notes.push(format!("{name} has no effect: {why}"));
            return Ok(());
        }
        match value {
            None => self.flag(name),
            Some(value) => self.valued(name, value),
        }
    }

    fn flag(&mut self, name: &str) -> Result<(), Refusal> {
        match name {
            "--disable-simd" => self.without.simd = true,
            "--disable-bulk-memory" => self.without.bulk_memory = true,
            "--disable-ref-types" => self.without.reference_types = true,
            "--no-checkpoint" => self.options.checkpoints = false,
            "--precise-stable-points" => self.options.precise = true,
            "--deterministic" => self.options.deterministic = true,
            "--no-continuations" => self.options.continuations = false,
            _ if ALWAYS_SO.contains(&name) => {}
            _ => return Err(Refusal::Help),
        }
        Ok(())
    }

    fn valued(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        // Only a list of features may be empty.
        if value.is_empty() && name != "--call-stack-features" {
            return Err(Refusal::Help);
        }
        match name {
            "--target" => self.target = Some(value.to_owned()),
            "--target-abi" => self.abi = Some(value.to_owned()),
            "--cpu" => self.options.cpu = Some(value.to_owned()),
            "--cpu-features" => self.options.features = value.to_owned(),
            "--opt-level" => self.options.opt_level = level(value)?,
            "--size-level" => self.options.size_level = level(value)?,
            "--bounds-checks" => {
                self.options.bounds = if truth(value)? { Bounds::Explicit } else { Bounds::Guard };
            }
            "--stack-bounds-checks" => {
                if !truth(value)? {
                    self.notes.push("--stack-bounds-checks=0 has no effect: they are always on".to_owned());
                }
            }
            "--format" => {
                self.kind = Some(match value {
                    "aot" => Kind::Aot,
                    "object" => Kind::Object,
                    "llvmir-unopt" => Kind::IrUnoptimized,
                    "llvmir-opt" => Kind::IrOptimized,
                    _ => return Err(Refusal::MessageAndHelp(format!("Invalid format {value}."))),
                });
            }
            "--call-stack-features" => {
                let unknown = value.split(',').find(|f| !f.is_empty() && !CALL_STACK_FEATURES.contains(f));
                if let Some(feature) = unknown {
                    return Err(Refusal::Message(format!("Unsupported feature {feature}")));
                }
                self.notes.push(format!("{name} has no effect: call stacks are not recorded"));
            }
            // All of them are kept: the file holds the whole module.
            "--emit-custom-sections" => {}
            "--mllvm" => self.llvm.push(value.to_owned()),
            "--threads" => {
                let threads = value.parse().ok().filter(|&n| n > 0).ok_or(Refusal::Help)?;
                self.options.threads = threads;
            }
            "-v" => {
                let level = value.parse().ok().filter(|&n| n <= LOG_LEVEL_MAX).ok_or(Refusal::Help)?;
                self.log_level = Some(level);
            }
            _ => return Err(Refusal::Help),
        }
        Ok(())
    }

    fn list(&self) -> Option<List> {
        if self.target.as_deref() == Some("help") {
            return Some(List::Targets);
        }
        if self.abi.as_deref() == Some("help") {
            return Some(List::Abis);
        }
        let triple = || self.triple().ok().flatten();
        if self.options.cpu.as_deref() == Some("help") {
            return Some(List::Processors(triple()));
        }
        (self.options.features == "+help").then(|| List::Features(triple()))
    }

    /// LLVM's triple of the target; `None` for this machine.
    fn triple(&self) -> Result<Option<String>, Refusal> {
        let Some(target) = &self.target else {
            return match &self.abi {
                None => Ok(None),
                Some(_) => Err(Refusal::Message("Error: --target-abi goes with --target".to_owned())),
            };
        };
        if target.contains('-') {
            return match &self.abi {
                None => Ok(Some(target.clone())),
                Some(_) => Err(Refusal::Message(format!("Error: {target} names an ABI already"))),
            };
        }
        let Some((arch, abis)) = TARGETS.iter().find(|(name, _)| name == target) else {
            return Err(Refusal::Message(format!(
                "Error: there is no target {target}, try --target=help; other names must be full triples"
            )));
        };
        let abi = self.abi.as_deref().unwrap_or(abis[0]);
        if !abis.contains(&abi) {
            return Err(Refusal::Message(format!(
                "Error: {abi} is not an ABI for {arch}, try --target-abi=help"
            )));
        }
        // The floats of lp64d are what code for RISC-V has them in; it is no part of triples.
        let environment = if abi == "lp64d" { "gnu" } else { abi };
        Ok(Some(format!("{arch}-unknown-linux-{environment}")))
    }

    fn finish(mut self, input: PathBuf, output: PathBuf) -> Result<Job, Refusal> {
        self.options.triple = self.triple()?;
        let kind = self.kind.unwrap_or(Kind::Aot);
        self.options.format = match kind {
            Kind::Aot | Kind::Object => Format::Object,
            Kind::IrUnoptimized => Format::IrUnoptimized,
            Kind::IrOptimized => Format::IrOptimized,
        };
        Ok(Job {
            input,
            output,
            kind,
            options: self.options,
            without: self.without,
            llvm: self.llvm,
            log_level: self.log_level.unwrap_or(2),
            notes: self.notes,
        })
    }
}

/// An optimization or size level: what is above 3 is taken as 3.
fn level(value: &str) -> Result<u8, Refusal> {
    value.parse::<u32>().map(|n| n.min(3) as u8).map_err(|_| Refusal::Help)
}

fn truth(value: &str) -> Result<bool, Refusal> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(Refusal::Help),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Command, Refusal> {
        parse(words.iter().map(OsString::from))
    }

    fn job(words: &[&str]) -> Box<Job> {
        match run(&[words, &["-o", "a.aot", "a.wasm"]].concat()) {
            Ok(Command::Compile(job)) => job,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn defaults() {
        let job = job(&[]);
        assert_eq!((job.options, job.kind, job.log_level), (Options::default(), Kind::Aot, 2));
        assert_eq!((&*job.input, &*job.output), ("a.wasm".as_ref(), "a.aot".as_ref()));
        assert!(job.notes.is_empty() && job.llvm.is_empty());
    }

    #[test]
    fn options_of_the_compiler() {
        let o = job(&[
            "--cpu=znver3",
            "--cpu-features=+avx2,-fma",
            "--opt-level=7",
            "--size-level=1",
            "--bounds-checks=1",
            "--no-checkpoint",
            "--precise-stable-points",
            "--no-continuations",
            "--threads=3",
            "--format=llvmir-opt",
        ])
        .options;
        assert_eq!((o.cpu.as_deref(), &*o.features), (Some("znver3"), "+avx2,-fma"));
        assert_eq!((o.opt_level, o.size_level, o.bounds), (3, 1, Bounds::Explicit));
        assert_eq!((o.checkpoints, o.precise, o.continuations, o.threads), (false, true, false, 3));
        assert_eq!(o.format, Format::IrOptimized);
        let job = job(&["--disable-simd", "--disable-ref-types", "--mllvm=-a", "--mllvm=-b=1", "-v=4"]);
        assert_eq!(job.without, Without { simd: true, bulk_memory: false, reference_types: true });
        assert_eq!((job.llvm, job.log_level), (vec!["-a".to_owned(), "-b=1".to_owned()], 4));
    }

    #[test]
    fn targets() {
        let triple = |words: &[&str]| job(words).options.triple;
        assert_eq!(triple(&["--target=aarch64"]).as_deref(), Some("aarch64-unknown-linux-gnu"));
        assert_eq!(triple(&["--target=riscv64"]).as_deref(), Some("riscv64-unknown-linux-gnu"));
        assert_eq!(
            triple(&["--target=x86_64", "--target-abi=musl"]).as_deref(),
            Some("x86_64-unknown-linux-musl")
        );
        assert_eq!(triple(&["--target=s390x-linux-gnu"]).as_deref(), Some("s390x-linux-gnu"));
        for (words, why) in [
            (&["--target=xtensa"][..], "no target xtensa"),
            (&["--target=s390x", "--target-abi=musl"], "musl is not an ABI for s390x"),
            (&["--target=s390x-linux-gnu", "--target-abi=gnu"], "names an ABI already"),
            (&["--target-abi=gnu"], "goes with --target"),
        ] {
            let refused = run(&[words, &["-o", "a", "b"]].concat()).unwrap_err();
            assert!(matches!(&refused, Refusal::Message(m) if m.contains(why)), "{refused:?}");
        }
        let lists = |words: &[&str]| match run(words) {
            Ok(Command::List(list)) => list,
            other => panic!("{other:?}"),
        };
        assert_eq!(lists(&["--target=help"]), List::Targets);
        assert_eq!(lists(&["--target-abi=help"]), List::Abis);
        assert_eq!(lists(&["--cpu=help"]), List::Processors(None));
        let s390x = Some("s390x-unknown-linux-gnu".to_owned());
        assert_eq!(lists(&["--target=s390x", "--cpu-features=+help"]), List::Features(s390x));
    }

    #[test]
    fn what_has_no_effect_is_said_what_cannot_be_is_refused() {
        for &(name, why) in IGNORED {
            for word in [name.to_owned(), format!("{name}=x")] {
                let notes = job(&[&word]).notes;
                assert!(
                    matches!(&notes[..], [note] if note.contains(name) && note.contains(why)),
                    "{notes:?}"
                );
            }
        }
        for name in ALWAYS_SO {
            assert!(job(&[name]).notes.is_empty(), "{name}");
        }
        for &(name, why) in REFUSED {
            let refused = run(&[name, "-o", "a", "b"]).unwrap_err();
            assert_eq!(refused, Refusal::Message(format!("Error: {name}: {why}")));
        }
        assert_eq!(job(&["--stack-bounds-checks=0"]).notes.len(), 1);
        assert!(job(&["--stack-bounds-checks=1"]).notes.is_empty());
        assert_eq!(job(&["--call-stack-features=ip,values"]).notes.len(), 1);
        assert_eq!(job(&["--call-stack-features="]).notes.len(), 1);
        let refused = run(&["--call-stack-features=ip,no", "-o", "a", "b"]).unwrap_err();
        assert_eq!(refused, Refusal::Message("Unsupported feature no".to_owned()));
    }

    #[test]
    fn what_is_no_command_line() {
        for words in [
            "",
            "a.wasm",
            "-o",
            "-o a.aot",
            "-o a.aot a.wasm b.wasm",
            "--help",
            "--nonsense -o a b",
            "--opt-level= -o a b",
            "--opt-level=x -o a b",
            "--bounds-checks=2 -o a b",
            "--threads=0 -o a b",
            "-v=6 -o a b",
            "--disable-simd=1 -o a b",
        ] {
            let words: Vec<_> = words.split(' ').filter(|w| !w.is_empty()).collect();
            assert_eq!(run(&words).unwrap_err(), Refusal::Help, "{words:?}");
        }
        let refused = run(&["--format=elf", "-o", "a", "b"]).unwrap_err();
        assert_eq!(refused, Refusal::MessageAndHelp("Invalid format elf.".to_owned()));
    }
}
