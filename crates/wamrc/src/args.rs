//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use wayfarer_compiler::{Bounds, Format, Options};
use wayfarer_module::Stdio;

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Compile.
    Compile(Box<Job>),
    /// Print the help text.
    Help,
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
    /// There is none: only the help text can say what there could be.
    Empty,
    /// What is wrong with it; the help text is pointed to.
    Usage(String),
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
    /// Where the module has the functions of C's streams.
    pub(crate) stdio: Stdio,
    /// Functions that can be watched, by name or index.
    pub(crate) watched: Vec<String>,
    /// Options of LLVM's own.
    pub(crate) llvm: Vec<String>,
    pub(crate) log_level: u32,
    /// What is to be said about options that have no effect here.
    pub(crate) notes: Vec<String>,
    /// A file that must be there, though it has no effect.
    pub(crate) profile: Option<PathBuf>,
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

/// Architectures under other names that WAMR's compiler has for them. Code for the first version runs on the later ones.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("aarch64v8", "aarch64"),
    ("aarch64v8.1", "aarch64"),
    ("aarch64v8.2", "aarch64"),
    ("aarch64v8.3", "aarch64"),
    ("aarch64v8.4", "aarch64"),
    ("aarch64v8.5", "aarch64"),
];

/// Families of architectures that WAMR's compiler makes code for, and that there is no runtime for here; and why not.
const NO_RUNTIME: &[(&str, &str)] = &[
    ("i386", "the runtime needs a 64-bit machine"),
    ("arm", "the runtime needs a 64-bit machine; for 64-bit ARM, it is aarch64"),
    ("thumb", "the runtime needs a 64-bit machine with Linux"),
    ("xtensa", "the runtime needs a 64-bit machine with Linux"),
    ("mips", "the runtime is not made for MIPS"),
    ("riscv32", "the runtime needs a 64-bit machine"),
    ("riscv64eb", "RISC-V with big-endian data is not supported"),
    ("arc", "the runtime needs a 64-bit machine with Linux"),
    ("aarch64_be", "ARM with big-endian data is not supported"),
];

/// Options for which there is nothing to do: what they ask for is so anyway.
const ALWAYS_SO: &[&str] = &[
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-extended-const",
    "--enable-lime1",
    "--enable-linux-perf",
    "--enable-multi-thread",
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
    ("--enable-perf-profiling", "execution time is not measured"),
    ("--enable-segue", "memory is not accessed by segment registers"),
    ("--native-lib", "imports are linked when the file is loaded"),
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

/// Options that are words of their own, and have an effect.
const FLAGS: &[&str] = &[
    "--disable-simd",
    "--disable-bulk-memory",
    "--disable-ref-types",
    "--no-checkpoint",
    "--precise-stable-points",
    "--no-continuations",
    "--deterministic",
    "--help",
    "--version",
    "--llvm-version",
];

/// Options with a value behind `=`, and what the help text calls it.
const VALUED: &[(&str, &str)] = &[
    ("--target", "ARCH"),
    ("--target-abi", "ABI"),
    ("--cpu", "CPU"),
    ("--cpu-features", "+A,-B"),
    ("--opt-level", "N"),
    ("--size-level", "N"),
    ("--bounds-checks", "0|1"),
    ("--stack-bounds-checks", "0|1"),
    ("--format", "FORMAT"),
    ("--call-stack-features", "A,B"),
    ("--emit-custom-sections", "A,B"),
    ("--use-prof-file", "FILE"),
    ("--mllvm", "OPTION"),
    ("--stdio-map", "NAME=INDEX,..."),
    ("--watch", "NAME,..."),
    ("--threads", "N"),
    ("-v", "N"),
];

/// Features of call stacks, as `--call-stack-features` names them.
const CALL_STACK_FEATURES: &[&str] = &["bounds-checks", "ip", "func-idx", "trap-ip", "values"];

/// Highest log level that is accepted.
const LOG_LEVEL_MAX: u32 = 5;

fn usage<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Usage(what.into()))
}

/// Reads the words after the program's own name.
///
/// # Errors
/// What to print before ending with status 1.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let mut parser = Parser::default();
    let mut words = words.into_iter().peekable();
    if words.peek().is_none() {
        return Err(Refusal::Empty);
    }
    while let Some(word) = words.next_if(|w| w.as_encoded_bytes().first() == Some(&b'-')) {
        // Only file names can be something else.
        let Some(word) = word.to_str() else {
            return usage(format!("there is no option `{}`", word.display()));
        };
        match word {
            "-o" => match words.next() {
                Some(output) => parser.output = Some(output.into()),
                None => return usage("-o needs a word after it: -o OUTPUT"),
            },
            "--help" | "-h" => return Ok(Command::Help),
            "--version" => return Ok(Command::Version),
            "--llvm-version" => return Ok(Command::LlvmVersion),
            _ => parser.option(word)?,
        }
    }
    if let Some(list) = parser.list() {
        return Ok(Command::List(list));
    }
    let Some(input) = words.next() else { return usage("the name of the FILE to compile is missing") };
    // WAMR's program does not look at them.
    let rest: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    if !rest.is_empty() {
        parser.notes.push(format!("ignored, as options come before FILE: {}", rest.join(" ")));
    }
    let Some(output) = parser.output.take() else { return usage("-o OUTPUT is missing") };
    parser.finish(input.into(), output).map(|job| Command::Compile(Box::new(job)))
}

#[derive(Default)]
struct Parser {
    output: Option<PathBuf>,
    target: Option<String>,
    abi: Option<String>,
    kind: Option<Kind>,
    options: Options,
    without: Without,
    stdio: Stdio,
    watched: Vec<String>,
    llvm: Vec<String>,
    log_level: Option<u32>,
    notes: Vec<String>,
    profile: Option<PathBuf>,
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
        if let Some((_, what)) = VALUED.iter().find(|(n, _)| *n == name) {
            return match value {
                // Only a list of features may be empty.
                Some(value) if !value.is_empty() || name == "--call-stack-features" => {
                    self.valued(name, value)
                }
                _ => usage(format!("{name} needs a value: {name}={what}")),
            };
        }
        if !FLAGS.contains(&name) && !ALWAYS_SO.contains(&name) {
            return usage(format!("there is no option `{word}`"));
        }
        match value {
            None => self.flag(name),
            Some(_) => return usage(format!("{name} takes no value")),
        }
        Ok(())
    }

    /// One of [`FLAGS`], or one that nothing is to be done for.
    fn flag(&mut self, name: &str) {
        match name {
            "--disable-simd" => self.without.simd = true,
            "--disable-bulk-memory" => self.without.bulk_memory = true,
            "--disable-ref-types" => self.without.reference_types = true,
            "--no-checkpoint" => self.options.checkpoints = false,
            "--precise-stable-points" => self.options.precise = true,
            "--deterministic" => self.options.deterministic = true,
            "--no-continuations" => self.options.continuations = false,
            _ => {}
        }
    }

    /// One of [`VALUED`].
    fn valued(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let bad = |what: &str| usage(format!("{name}={value}: expected {what}"));
        let truth = || match value {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        };
        match name {
            "--stdio-map" => match Stdio::parse(value) {
                Ok(stdio) => self.stdio = stdio,
                Err(why) => return usage(format!("{name}={value}: {why}")),
            },
            "--watch" => self.watched.extend(value.split(',').map(str::to_owned)),
            "--target" => self.target = Some(value.to_owned()),
            "--target-abi" => self.abi = Some(value.to_owned()),
            "--cpu" => self.options.cpu = Some(value.to_owned()),
            "--cpu-features" => self.options.features = value.to_owned(),
            "--opt-level" | "--size-level" => {
                // What is above 3 is taken as 3.
                let Ok(level) = value.parse::<u32>() else { return bad("a level, 0 to 3") };
                let level = level.min(3) as u8;
                *(if name == "--opt-level" {
                    &mut self.options.opt_level
                } else {
                    &mut self.options.size_level
                }) = level;
            }
            "--bounds-checks" => match truth() {
                Some(explicit) => {
                    self.options.bounds = if explicit { Bounds::Explicit } else { Bounds::Guard };
                }
                None => return bad("0 or 1"),
            },
            "--stack-bounds-checks" => match truth() {
                Some(true) => {}
                Some(false) => {
                    self.notes.push("--stack-bounds-checks=0 has no effect: they are always on".to_owned());
                }
                None => return bad("0 or 1"),
            },
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
            "--use-prof-file" => {
                self.profile = Some(value.into());
                self.notes.push(format!("{name} has no effect: profiles are not used"));
            }
            "--mllvm" => self.llvm.push(value.to_owned()),
            "--threads" => match value.parse().ok().filter(|&n| n > 0) {
                Some(threads) => self.options.threads = threads,
                None => return bad("a number of threads, 1 or more"),
            },
            _ => match value.parse().ok().filter(|&n| n <= LOG_LEVEL_MAX) {
                Some(level) => self.log_level = Some(level),
                None => return bad("a log level, 0 to 5"),
            },
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
        let name = ALIASES.iter().find(|(name, _)| name == target).map_or(&**target, |(_, arch)| arch);
        let Some((arch, abis)) = TARGETS.iter().find(|(arch, _)| *arch == name) else {
            // The longest name that it begins with says most.
            let known = NO_RUNTIME.iter().filter(|(family, _)| target.starts_with(family));
            let why = known.max_by_key(|(family, _)| family.len()).map(|(_, why)| format!(": {why}"));
            return Err(Refusal::Message(format!(
                "Error: there is no target {target}{}; try --target=help, or a full triple",
                why.unwrap_or_default()
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
            stdio: self.stdio,
            watched: self.watched,
            llvm: self.llvm,
            log_level: self.log_level.unwrap_or(2),
            notes: self.notes,
            profile: self.profile,
        })
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
            (&["--target=xtensa"][..], "no target xtensa: the runtime needs a 64-bit machine with Linux"),
            (&["--target=vax"], "no target vax; try --target=help"),
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

    /// Every name that WAMR's compiler lists, in the build of it that knows most architectures.
    #[test]
    fn targets_of_wamrs_list_are_known_or_refused_with_a_reason() {
        let names = "x86_64 i386 xtensa mips mipsel aarch64v8 aarch64v8.1 aarch64v8.2 aarch64v8.3 aarch64v8.4 \
            aarch64v8.5 aarch64_bev8 aarch64_bev8.1 aarch64_bev8.2 aarch64_bev8.3 aarch64_bev8.4 aarch64_bev8.5 armv4 \
            armv4t armv5t armv5te armv5tej armv6 armv6kz armv6t2 armv6k armv7 armv6m armv6sm armv7em armv8a armv8r \
            armv8m.base armv8m.main armv8.1m.main thumbv4 thumbv4t thumbv5t thumbv5te thumbv5tej thumbv6 thumbv6kz \
            thumbv6t2 thumbv6k thumbv7 thumbv6m thumbv6sm thumbv7em thumbv8a thumbv8r thumbv8m.base thumbv8m.main \
            thumbv8.1m.main riscv32 riscv64 arc armv7eb thumbv7eb mipseb riscv32eb riscv64eb arceb";
        for name in names.split_whitespace() {
            let target = format!("--target={name}");
            let arch = match name {
                "x86_64" | "riscv64" => name,
                _ if name.starts_with("aarch64v8") => "aarch64",
                _ => {
                    let refused = run(&[&target, "-o", "a", "b"]).unwrap_err();
                    let start = format!("Error: there is no target {name}: ");
                    assert!(matches!(&refused, Refusal::Message(m) if m.starts_with(&start)), "{refused:?}");
                    continue;
                }
            };
            let triple = job(&[&target]).options.triple;
            assert_eq!(triple, Some(format!("{arch}-unknown-linux-gnu")));
        }
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
    fn the_help_text_lists_every_option() {
        let help = crate::text::HELP;
        let words: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        let plain = FLAGS.iter().chain(ALWAYS_SO).copied().chain(["-o", "-h"]);
        for name in plain.chain([VALUED, IGNORED, REFUSED].concat().iter().map(|(name, _)| *name)) {
            assert!(words.contains(&name), "{name}");
        }
    }

    #[test]
    fn what_comes_after_the_file_is_ignored() {
        match run(&["-o", "a.aot", "a.wasm", "--opt-level=0", "b.wasm"]) {
            Ok(Command::Compile(job)) => {
                assert_eq!((&*job.input, job.options.opt_level), ("a.wasm".as_ref(), 3));
                assert_eq!(job.notes, ["ignored, as options come before FILE: --opt-level=0 b.wasm"]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_command_line() {
        for (words, why) in [
            ("a.wasm", "-o OUTPUT is missing"),
            ("-o", "-o needs a word after it: -o OUTPUT"),
            ("-o a.aot", "the name of the FILE to compile is missing"),
            ("--nonsense -o a b", "there is no option `--nonsense`"),
            ("--nonsense=1 -o a b", "there is no option `--nonsense=1`"),
            ("--opt-level= -o a b", "--opt-level needs a value: --opt-level=N"),
            ("--opt-level=x -o a b", "--opt-level=x: expected a level, 0 to 3"),
            ("--size-level=-1 -o a b", "--size-level=-1: expected a level, 0 to 3"),
            ("--bounds-checks=2 -o a b", "--bounds-checks=2: expected 0 or 1"),
            ("--stack-bounds-checks=no -o a b", "--stack-bounds-checks=no: expected 0 or 1"),
            ("--threads=0 -o a b", "--threads=0: expected a number of threads, 1 or more"),
            ("-v=6 -o a b", "-v=6: expected a log level, 0 to 5"),
            ("-v -o a b", "-v needs a value: -v=N"),
            ("--disable-simd=1 -o a b", "--disable-simd takes no value"),
            ("--enable-simd=1 -o a b", "--enable-simd takes no value"),
            ("--target -o a b", "--target needs a value: --target=ARCH"),
            ("--use-prof-file -o a b", "--use-prof-file needs a value: --use-prof-file=FILE"),
        ] {
            let words: Vec<_> = words.split(' ').collect();
            assert_eq!(run(&words).unwrap_err(), Refusal::Usage(why.to_owned()), "{words:?}");
        }
        assert_eq!(run(&[]).unwrap_err(), Refusal::Empty);
        for word in ["--help", "-h"] {
            assert!(matches!(run(&["--opt-level=1", word, "--nonsense"]), Ok(Command::Help)));
        }
        let refused = run(&["--format=elf", "-o", "a", "b"]).unwrap_err();
        assert_eq!(refused, Refusal::MessageAndHelp("Invalid format elf.".to_owned()));
    }
}
