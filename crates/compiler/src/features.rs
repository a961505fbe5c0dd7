//! Processors and their features: which there are, and which code needs. LLVM's own options.

use crate::error::{CompileError, Result};
use crate::options::Options;
use crate::target::{Arch, Target};
use std::ffi::{CString, c_char, c_int, c_void};

/// A function that is called with a name.
type Each = extern "C" fn(context: *mut c_void, name: *const c_char, len: usize);

/// A function of `features.cpp` that lists names.
type List = unsafe extern "C" fn(machine: *const c_void, context: *mut c_void, each: Each);

unsafe extern "C" {
    fn wayfarer_enabled_features(machine: *const c_void, context: *mut c_void, each: Each);
    fn wayfarer_known_features(machine: *const c_void, context: *mut c_void, each: Each);
    fn wayfarer_known_processors(machine: *const c_void, context: *mut c_void, each: Each);
    fn wayfarer_llvm_options(argc: c_int, argv: *const *const c_char, context: *mut c_void, each: Each);
}

/// Adds a text to the list of strings that `context` is.
extern "C" fn add(context: *mut c_void, text: *const c_char, len: usize) {
    // SAFETY: the pointer given by `names` or `llvm_options`, and a text with its length.
    let (texts, text) =
        unsafe { (&mut *context.cast::<Vec<String>>(), std::slice::from_raw_parts(text.cast::<u8>(), len)) };
    texts.push(String::from_utf8_lossy(text).into_owned());
}

fn names(target: &Target, list: List) -> Vec<String> {
    let mut names = Vec::<String>::new();
    // SAFETY: the machine lives during the call, and `add` takes what it is given here.
    unsafe { list(target.machine.as_mut_ptr().cast(), (&raw mut names).cast(), add) };
    names
}

/// Passes command line options on to LLVM: process-wide, for everything that is compiled afterwards.
///
/// # Errors
/// LLVM's message about an option that it does not know, or with a NUL in it.
pub fn llvm_options(options: &[String]) -> std::result::Result<(), String> {
    let words = std::iter::once("LLVM").chain(options.iter().map(String::as_str));
    let words: std::result::Result<Vec<_>, _> = words.map(CString::new).collect();
    let words = words.map_err(|e| e.to_string())?;
    let pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    let mut messages = Vec::<String>::new();
    // SAFETY: strings and their number, and `add` takes what it is given here.
    unsafe {
        wayfarer_llvm_options(pointers.len() as c_int, pointers.as_ptr(), (&raw mut messages).cast(), add);
    }
    if messages.is_empty() { Ok(()) } else { Err(messages.concat().trim().to_owned()) }
}

/// The features that a machine must have to run code compiled for `target`: LLVM's names, sorted.
pub(crate) fn required(target: &Target) -> Vec<String> {
    let known = instruction_sets(target.arch);
    let mut required = names(target, wayfarer_enabled_features);
    required.retain(|name| known.contains(&name.as_str()));
    required.sort_unstable();
    required
}

/// What LLVM knows of an architecture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// Names of processors.
    pub processors: Vec<String>,
    /// Names of their features.
    pub features: Vec<String>,
}

/// What LLVM knows of the architecture of a target triple, or of this machine's.
///
/// # Errors
/// [`CompileError::Target`].
pub fn known(triple: Option<&str>) -> Result<Known> {
    let target = Target::new(&Options { triple: triple.map(str::to_owned), ..Options::default() })?;
    Ok(Known {
        processors: names(&target, wayfarer_known_processors),
        features: names(&target, wayfarer_known_features),
    })
}

/// Checks the target that the options ask for. LLVM itself only grumbles about names that it does not know.
///
/// # Errors
/// [`CompileError::Target`].
pub fn check_target(options: &Options) -> Result<()> {
    let fail = |what: String| Err(CompileError::Target(what));
    let plain = Options { triple: options.triple.clone(), ..Options::default() };
    let target = Target::new(&plain)?;
    if !target.triple.split('-').any(|part| part == "linux") {
        return fail(format!("{}: code is made for Linux only", target.triple));
    }
    if let Some(cpu) = &options.cpu
        && !names(&target, wayfarer_known_processors).contains(cpu)
    {
        return fail(format!("{cpu} is not a processor that LLVM knows for {}", target.triple));
    }
    let features = names(&target, wayfarer_known_features);
    for feature in options.features.split(',').filter(|f| !f.is_empty()) {
        let name = feature.strip_prefix(['+', '-']);
        if !name.is_some_and(|name| features.iter().any(|f| f == name)) {
            return fail(format!(
                "{feature}: expected + or -, and a feature that LLVM knows for {}",
                target.triple
            ));
        }
    }
    Ok(())
}

/// The size level that code of the options' target can have: the one asked for, or else the usual one, 3. LLVM ends the
/// process where there is no code model of a kind. On x86-64 the others take relocations that the runtime's loader would
/// have no other use for: it puts code and data within reach of each other anyway, so that nothing is gained by them.
///
/// # Errors
/// [`CompileError::Target`].
pub fn size_level(options: &Options) -> Result<u8> {
    const SMALL: u8 = 3;
    let plain = Options { triple: options.triple.clone(), ..Options::default() };
    let models: &[u8] = match Target::new(&plain)?.arch {
        Arch::X86_64 => &[SMALL],
        Arch::Aarch64 => &[0, 3],
        Arch::Riscv64 | Arch::S390x => &[0, 1, 3],
    };
    Ok(if models.contains(&options.size_level) { options.size_level } else { SMALL })
}

/// Features that add instructions that LLVM uses for code like ours, beyond what every machine of the architecture has.
/// The others are about tuning, or about instructions that are only used by who names them.
fn instruction_sets(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &[
            "adx",
            "aes",
            "avx",
            "avx10.1-256",
            "avx10.1-512",
            "avx2",
            "avx512bf16",
            "avx512bitalg",
            "avx512bw",
            "avx512cd",
            "avx512dq",
            "avx512f",
            "avx512fp16",
            "avx512ifma",
            "avx512vbmi",
            "avx512vbmi2",
            "avx512vl",
            "avx512vnni",
            "avx512vpopcntdq",
            "avxifma",
            "avxneconvert",
            "avxvnni",
            "avxvnniint16",
            "avxvnniint8",
            "bmi",
            "bmi2",
            "ccmp",
            "cf",
            "cmpccxadd",
            "crc32",
            "cx16",
            "egpr",
            "evex512",
            "f16c",
            "fma",
            "fma4",
            "gfni",
            "lzcnt",
            "movbe",
            "movdir64b",
            "movdiri",
            "ndd",
            "nf",
            "pclmul",
            "popcnt",
            "ppx",
            "prfchw",
            "push2pop2",
            "raoint",
            "sahf",
            "sha",
            "sse3",
            "sse4.1",
            "sse4.2",
            "sse4a",
            "ssse3",
            "tbm",
            "vaes",
            "vpclmulqdq",
            "xop",
            "zu",
        ],
        Arch::Aarch64 => &[
            "aes",
            "altnzcv",
            "bf16",
            "complxnum",
            "crc",
            "cssc",
            "dotprod",
            "f32mm",
            "f64mm",
            "flagm",
            "fp-armv8",
            "fp16fml",
            "fptoint",
            "fullfp16",
            "hbc",
            "i8mm",
            "jsconv",
            "lse",
            "lse128",
            "lse2",
            "mops",
            "neon",
            "rcpc",
            "rcpc-immo",
            "rcpc3",
            "rdm",
            "sha2",
            "sha3",
            "sve",
            "sve2",
            "sve2p1",
            "sme",
            "sme2",
        ],
        // Those that `m`, `a` and so on are made of go without saying: kernels that know only the letters exist.
        Arch::Riscv64 => &[
            "a", "c", "d", "f", "m", "v", "zba", "zbb", "zbc", "zbkb", "zbs", "zcb", "zfa", "zfh", "zfhmin",
            "zicond",
        ],
        Arch::S390x => &[
            "distinct-ops",
            "execution-hint",
            "fast-serialization",
            "fp-extension",
            "high-word",
            "interlocked-access1",
            "load-and-trap",
            "load-and-zero-rightmost-byte",
            "load-store-on-cond",
            "load-store-on-cond-2",
            "miscellaneous-extensions",
            "miscellaneous-extensions-2",
            "miscellaneous-extensions-3",
            "population-count",
            "processor-assist",
            "vector",
            "vector-enhancements-1",
            "vector-enhancements-2",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    fn required_by(triple: Option<&str>, cpu: Option<&str>, features: &str) -> Vec<String> {
        let options = Options {
            triple: triple.map(str::to_owned),
            cpu: cpu.map(str::to_owned),
            features: features.to_owned(),
            ..Options::default()
        };
        required(&Target::new(&options).expect("a target"))
    }

    const X86: Option<&str> = Some("x86_64-unknown-linux-gnu");

    #[test]
    fn of_processors_and_of_names() {
        assert_eq!(required_by(X86, None, ""), [""; 0]);
        let haswell = required_by(X86, Some("haswell"), "");
        for name in ["avx2", "avx", "fma", "bmi2", "sse4.2", "popcnt"] {
            assert!(haswell.contains(&name.to_owned()), "{name} in {haswell:?}");
        }
        assert!(!haswell.contains(&"avx512f".to_owned()));
        // A name brings what it implies, and takes with it what depends on it.
        let avx = required_by(X86, None, "+avx");
        assert!(avx.contains(&"sse4.2".to_owned()), "{avx:?}");
        assert!(!required_by(X86, Some("haswell"), "-avx").contains(&"avx2".to_owned()));
    }

    #[test]
    fn targets_that_are_none() {
        let check = |triple: Option<&str>, cpu: &str, features: &str| {
            let cpu = (!cpu.is_empty()).then(|| cpu.to_owned());
            let triple = triple.map(str::to_owned);
            let features = features.to_owned();
            check_target(&Options { triple, cpu, features, ..Options::default() })
        };
        assert_eq!(check(X86, "haswell", "+avx2,-fma"), Ok(()));
        assert_eq!(check(None, "", ""), Ok(()));
        for (triple, cpu, features, why) in [
            (X86, "haswel", "", "haswel is not a processor"),
            (X86, "", "+avx22", "+avx22: expected"),
            (X86, "", "avx2", "avx2: expected"),
            (Some("x86_64-apple-darwin"), "", "", "Linux only"),
            (Some("mips-linux-gnu"), "", "", "no code can be made"),
        ] {
            let error = check(triple, cpu, features).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn size_levels_are_those_that_work() {
        let of = |triple: &str, size_level| {
            super::size_level(&Options { triple: Some(triple.to_owned()), size_level, ..Options::default() })
        };
        for (triple, levels) in [
            ("x86_64-linux-gnu", [3, 3, 3, 3]),
            ("aarch64-linux-gnu", [0, 3, 3, 3]),
            ("riscv64-linux-gnu", [0, 1, 3, 3]),
            ("s390x-linux-gnu", [0, 1, 3, 3]),
        ] {
            assert_eq!([0, 1, 2, 3].map(|level| of(triple, level).unwrap()), levels, "{triple}");
        }
    }

    #[test]
    fn options_of_llvm() {
        assert_eq!(llvm_options(&["-inline-threshold=225".to_owned()]), Ok(()));
        let error = llvm_options(&["-no-such-option".to_owned()]).unwrap_err();
        assert!(error.contains("-no-such-option"), "{error}");
    }

    #[test]
    fn lists() {
        let known = known(X86).unwrap();
        assert!(known.processors.contains(&"haswell".to_owned()));
        assert!(known.features.contains(&"avx2".to_owned()));
    }

    #[test]
    fn of_other_architectures() {
        assert!(required_by(Some("aarch64-linux-gnu"), None, "").contains(&"neon".to_owned()));
        assert!(required_by(Some("riscv64-linux-gnu"), None, "").contains(&"d".to_owned()));
        assert!(required_by(Some("s390x-linux-gnu"), None, "").contains(&"vector".to_owned()));
    }

    /// What can be required, the runtime can look for: on machines, too, that nobody here has.
    #[test]
    fn the_runtime_knows_what_code_can_need() {
        let arch = wayfarer_aot::Arch::host().expect("a machine that is compiled for");
        let (own, _) = [
            (Arch::X86_64, wayfarer_aot::Arch::X86_64),
            (Arch::Aarch64, wayfarer_aot::Arch::Aarch64),
            (Arch::Riscv64, wayfarer_aot::Arch::Riscv64),
            (Arch::S390x, wayfarer_aot::Arch::S390x),
        ]
        .into_iter()
        .find(|(_, theirs)| *theirs == arch)
        .expect("the same architectures");
        let unknown = instruction_sets(own).iter().filter(|name| {
            let target = wayfarer_aot::Target {
                arch,
                triple: String::new(),
                cpu: String::new(),
                features: String::new(),
                required: vec![(**name).to_owned()],
            };
            matches!(target.check_host(), Err(wayfarer_aot::TargetMismatch::UnknownFeature { .. }))
        });
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    /// What is compiled for this machine runs on it.
    #[test]
    fn of_this_machine() {
        let required = required_by(None, None, "");
        let arch = wayfarer_aot::Arch::host().expect("a machine that is compiled for");
        let target = wayfarer_aot::Target {
            arch,
            triple: String::new(),
            cpu: String::new(),
            features: String::new(),
            required,
        };
        assert_eq!(target.check_host(), Ok(()));
    }
}
