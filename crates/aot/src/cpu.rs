//! Has this processor a feature, by LLVM's name?
//!
//! Where the standard library can tell, it does. The rest comes from what the kernel says: the `AT_HWCAP` word and
//! `/proc/cpuinfo`; what cannot be read is taken as absent.

/// Whether the processor this runs on has the feature; `None` if the name means nothing here.
pub(crate) fn has(feature: &str) -> Option<bool> {
    host(feature)
}

/// `match` over a list of `"LLVM's name" => "the standard library's name"`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! detect {
    ($detect:ident, $feature:expr; $($llvm:literal => $std:tt),* $(,)?) => {
        match $feature {
            $($llvm => Some(std::arch::$detect!($std)),)*
            _ => None,
        }
    };
}

#[cfg(target_arch = "x86_64")]
fn host(feature: &str) -> Option<bool> {
    // What every x86_64 has.
    if ["64bit", "cmov", "cx8", "fxsr", "mmx", "nopl", "sse", "sse2", "x87"].contains(&feature) {
        return Some(true);
    }
    // Another name for instructions that all had names before.
    if let "avx10.1-256" | "avx10.1-512" = feature {
        return Some(AVX10_1.iter().all(|part| host(part) == Some(true)));
    }
    let by_instruction = detect!(is_x86_feature_detected, feature;
        "adx" => "adx", "aes" => "aes", "avx" => "avx", "avx2" => "avx2", "avx512bf16" => "avx512bf16",
        "avx512bitalg" => "avx512bitalg", "avx512bw" => "avx512bw", "avx512cd" => "avx512cd",
        "avx512dq" => "avx512dq", "avx512f" => "avx512f", "avx512fp16" => "avx512fp16",
        "avx512ifma" => "avx512ifma", "avx512vbmi" => "avx512vbmi", "avx512vbmi2" => "avx512vbmi2",
        "avx512vl" => "avx512vl", "avx512vnni" => "avx512vnni", "avx512vp2intersect" => "avx512vp2intersect",
        "avx512vpopcntdq" => "avx512vpopcntdq", "avxvnni" => "avxvnni", "bmi" => "bmi1", "bmi2" => "bmi2",
        // The instruction came with SSE 4.2.
        "crc32" => "sse4.2",
        "cx16" => "cmpxchg16b",
        // Whether vectors of 512 bits may be used, which is what AVX-512 without it lacks.
        "evex512" => "avx512f",
        "f16c" => "f16c", "fma" => "fma", "gfni" => "gfni", "lzcnt" => "lzcnt", "movbe" => "movbe",
        "pclmul" => "pclmulqdq", "popcnt" => "popcnt", "rdrnd" => "rdrand", "rdseed" => "rdseed", "sha" => "sha",
        "sse3" => "sse3", "sse4.1" => "sse4.1", "sse4.2" => "sse4.2", "sse4a" => "sse4a", "ssse3" => "ssse3",
        "tbm" => "tbm", "vaes" => "vaes", "vpclmulqdq" => "vpclmulqdq", "xsave" => "xsave", "xsavec" => "xsavec",
        "xsaveopt" => "xsaveopt", "xsaves" => "xsaves",
    );
    by_instruction.or_else(|| x86_flag(feature, &cpuinfo()))
}

/// What AVX10.1 is made of; without vectors of 512 bits, too, it says no more than these.
#[cfg(target_arch = "x86_64")]
const AVX10_1: [&str; 16] = [
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
    "f16c",
    "fma",
];

#[cfg(target_arch = "aarch64")]
fn host(feature: &str) -> Option<bool> {
    detect!(is_aarch64_feature_detected, feature;
        "aes" => "aes", "bf16" => "bf16", "bti" => "bti", "ccpp" => "dpb", "complxnum" => "fcma", "crc" => "crc",
        "dit" => "dit", "dotprod" => "dotprod", "f32mm" => "f32mm", "f64mm" => "f64mm", "flagm" => "flagm",
        "fp-armv8" => "neon", "fp16fml" => "fhm", "fptoint" => "frintts", "fullfp16" => "fp16", "i8mm" => "i8mm",
        "jsconv" => "jsconv", "lse" => "lse", "lse2" => "lse2", "neon" => "neon", "pauth" => "paca",
        "rand" => "rand", "rcpc" => "rcpc", "rcpc-immo" => "rcpc2", "rdm" => "rdm", "sb" => "sb", "sha2" => "sha2",
        "sha3" => "sha3", "sm4" => "sm4", "ssbs" => "ssbs", "sve" => "sve", "sve2" => "sve2",
        "sve2-aes" => "sve2-aes", "sve2-bitperm" => "sve2-bitperm", "sve2-sha3" => "sve2-sha3",
        "sve2-sm4" => "sve2-sm4",
    )
}

#[cfg(target_arch = "riscv64")]
fn host(feature: &str) -> Option<bool> {
    riscv_extension(feature, hwcap(), &cpuinfo())
}

#[cfg(target_arch = "s390x")]
fn host(feature: &str) -> Option<bool> {
    s390x_facility(feature, hwcap())
}

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "s390x"
)))]
fn host(_: &str) -> Option<bool> {
    None
}

#[cfg(any(target_arch = "x86_64", target_arch = "riscv64"))]
fn cpuinfo() -> String {
    std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()
}

/// The kernel's `AT_HWCAP` word, zero if it cannot be had.
#[cfg(any(target_arch = "riscv64", target_arch = "s390x"))]
fn hwcap() -> u64 {
    hwcap_of(&std::fs::read("/proc/self/auxv").unwrap_or_default())
}

/// `AT_HWCAP` in an auxiliary vector: pairs of native words.
#[cfg(any(test, target_arch = "riscv64", target_arch = "s390x"))]
fn hwcap_of(auxv: &[u8]) -> u64 {
    const AT_HWCAP: u64 = 16;
    let mut words = auxv.chunks_exact(8).map(|w| u64::from_ne_bytes(w.try_into().expect("8 bytes")));
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key == AT_HWCAP {
            return value;
        }
    }
    0
}

/// A word of the line of `/proc/cpuinfo` with this key, such as one of `flags`. The first processor speaks for all.
#[cfg(any(test, target_arch = "x86_64"))]
fn cpuinfo_has(cpuinfo: &str, key: &str, word: &str) -> bool {
    let line = cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(k, _)| k.trim() == key);
    line.is_some_and(|(_, words)| words.split_ascii_whitespace().any(|w| w == word))
}

/// Features of x86_64 for which the standard library has no stable name.
#[cfg(any(test, target_arch = "x86_64"))]
fn x86_flag(feature: &str, cpuinfo: &str) -> Option<bool> {
    let flag = match feature {
        "avxifma" => "avx_ifma",
        "avxneconvert" => "avx_ne_convert",
        "avxvnniint16" => "avx_vnni_int16",
        "avxvnniint8" => "avx_vnni_int8",
        // The kernel has one word for APX, LLVM one for each of its parts.
        "ccmp" | "cf" | "egpr" | "ndd" | "nf" | "ppx" | "push2pop2" | "zu" => "apx",
        "cldemote" | "clflushopt" | "clwb" | "clzero" | "cmpccxadd" | "fma4" | "fsgsbase" | "fsrm"
        | "invpcid" | "lwp" | "movdir64b" | "movdiri" | "pku" | "ptwrite" | "raoint" | "rdpid" | "rdpru"
        | "rtm" | "serialize" | "wbnoinvd" | "xop" => feature,
        "mwaitx" => "mwaitx",
        "prfchw" => "3dnowprefetch",
        "sahf" => "lahf_lm",
        "shstk" => "user_shstk",
        "waitpkg" => "waitpkg",
        _ => return None,
    };
    Some(cpuinfo_has(cpuinfo, "flags", flag))
}

/// Extensions of RISC-V: a letter is a bit of `AT_HWCAP`, others are in the `isa` line, `rv64imafdcv_zicsr_zba`.
#[cfg(any(test, target_arch = "riscv64"))]
fn riscv_extension(feature: &str, hwcap: u64, cpuinfo: &str) -> Option<bool> {
    match feature.as_bytes() {
        b"64bit" => Some(true),
        [letter @ b'a'..=b'z'] => Some(hwcap >> (letter - b'a') & 1 != 0),
        [b's' | b'x' | b'z', _, ..] => {
            let isa =
                cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(k, _)| k.trim() == "isa");
            Some(isa.is_some_and(|(_, isa)| isa.trim().split('_').skip(1).any(|e| e == feature)))
        }
        _ => None,
    }
}

/// Facilities of IBM Z. Those without a bit of their own in `AT_HWCAP` are taken from the first generation that has them
/// and a bit: z13's vectors stand for everything up to z13 and so on. That errs on the safe side.
#[cfg(any(test, target_arch = "s390x"))]
fn s390x_facility(feature: &str, hwcap: u64) -> Option<bool> {
    let bit = match feature {
        "transactional-execution" => 10,
        // z13
        "vector" => 11,
        "distinct-ops"
        | "enhanced-dat-2"
        | "execution-hint"
        | "fast-serialization"
        | "fp-extension"
        | "high-word"
        | "interlocked-access1"
        | "load-and-trap"
        | "load-and-zero-rightmost-byte"
        | "load-store-on-cond"
        | "load-store-on-cond-2"
        | "message-security-assist-extension3"
        | "message-security-assist-extension4"
        | "message-security-assist-extension5"
        | "miscellaneous-extensions"
        | "population-count"
        | "processor-assist" => 11,
        // z14
        "vector-packed-decimal" => 12,
        "vector-enhancements-1" | "miscellaneous-extensions-2" => 13,
        "guarded-storage" => 14,
        // z15
        "vector-enhancements-2" | "miscellaneous-extensions-3" => 15,
        "vector-packed-decimal-enhancement" => 16,
        "enhanced-sort" => 17,
        "deflate-conversion" => 18,
        // z16
        "vector-packed-decimal-enhancement-2" => 19,
        "nnp-assist" => 20,
        _ => return None,
    };
    Some(hwcap >> bit & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn this_machine() {
        assert_eq!(has("sse2"), Some(true));
        assert_eq!(has("avx2"), Some(std::arch::is_x86_feature_detected!("avx2")));
        assert_eq!(has("bmi"), Some(std::arch::is_x86_feature_detected!("bmi1")));
        assert_eq!(has("sahf"), Some(cpuinfo().contains("lahf_lm")));
        assert_eq!(has("warp-drive"), None);
    }

    #[test]
    fn flags_are_whole_words_of_the_right_line() {
        let info = "model name\t: rtm xop\nflags\t\t: fpu lahf_lm rtmx\nbugs\t: xop\n";
        assert_eq!(x86_flag("sahf", info), Some(true));
        assert_eq!(x86_flag("rtm", info), Some(false));
        assert_eq!(x86_flag("xop", info), Some(false));
        assert_eq!(x86_flag("sahf", ""), Some(false));
        assert_eq!(x86_flag("slow-lea", info), None);
    }

    #[test]
    fn riscv_extensions() {
        let info = "processor\t: 0\nisa\t\t: rv64imafdc_zicsr_zba\nmmu\t: sv39\n";
        let hwcap = 1 << (b'm' - b'a') | 1 << (b'c' - b'a');
        assert_eq!(riscv_extension("m", hwcap, info), Some(true));
        assert_eq!(riscv_extension("v", hwcap, info), Some(false));
        assert_eq!(riscv_extension("zba", hwcap, info), Some(true));
        assert_eq!(riscv_extension("zb", hwcap, info), Some(false));
        assert_eq!(riscv_extension("zbb", hwcap, info), Some(false));
        assert_eq!(riscv_extension("relax", hwcap, info), None);
    }

    #[test]
    fn s390x_facilities() {
        let z13 = 1 << 11;
        assert_eq!(s390x_facility("vector", z13), Some(true));
        assert_eq!(s390x_facility("distinct-ops", z13), Some(true));
        assert_eq!(s390x_facility("vector-enhancements-1", z13), Some(false));
        assert_eq!(s390x_facility("vector", 0), Some(false));
        assert_eq!(s390x_facility("backchain", z13), None);
    }

    #[test]
    fn hwcap_is_found_in_the_auxiliary_vector() {
        let auxv: Vec<u8> = [6u64, 4096, 16, 0x800, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!(hwcap_of(&auxv), 0x800);
        assert_eq!(hwcap_of(&auxv[..24]), 0);
        #[cfg(target_os = "linux")]
        assert_ne!(hwcap_of(&std::fs::read("/proc/self/auxv").unwrap()), 0);
    }
}
