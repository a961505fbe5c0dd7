//! Which features of the processor code needs: those of LLVM's that change which instructions it may choose.

use crate::target::{Arch, Target};
use std::ffi::{c_char, c_void};

unsafe extern "C" {
    /// Of `features.cpp`.
    fn wayfarer_enabled_features(
        machine: *const c_void,
        context: *mut c_void,
        each: extern "C" fn(context: *mut c_void, name: *const c_char, len: usize),
    );
}

/// The features that a machine must have to run code compiled for `target`: LLVM's names, sorted.
pub(crate) fn required(target: &Target) -> Vec<String> {
    let known = instruction_sets(target.arch);
    let mut required = enabled(target);
    required.retain(|name| known.contains(&name.as_str()));
    required.sort_unstable();
    required
}

/// What is enabled for a target, instruction sets and everything else that LLVM calls a feature.
fn enabled(target: &Target) -> Vec<String> {
    extern "C" fn each(context: *mut c_void, name: *const c_char, len: usize) {
        // SAFETY: the pointer given below, and a name with its length.
        let (names, name) = unsafe {
            (&mut *context.cast::<Vec<String>>(), std::slice::from_raw_parts(name.cast::<u8>(), len))
        };
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    let mut names = Vec::<String>::new();
    // SAFETY: the machine lives during the call, and `each` takes what it is given here.
    unsafe {
        wayfarer_enabled_features(target.machine.as_mut_ptr().cast(), (&raw mut names).cast(), each);
    }
    names
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
    fn of_other_architectures() {
        assert!(required_by(Some("aarch64-linux-gnu"), None, "").contains(&"neon".to_owned()));
        assert!(required_by(Some("riscv64-linux-gnu"), None, "").contains(&"d".to_owned()));
        assert!(required_by(Some("s390x-linux-gnu"), None, "").contains(&"vector".to_owned()));
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
