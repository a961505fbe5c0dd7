//! Which machine this is, as far as code for one may not run, or not run well, on another.

use std::fs::File;
use std::io::Read;

/// Enough of `/proc/cpuinfo` for the first processor.
const READ: u64 = 64 * 1024;

/// What makes one kind of processor differ from another.
const KEYS: &[&str] = &[
    // x86-64
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "stepping",
    "flags",
    // AArch64
    "Features",
    "CPU implementer",
    "CPU architecture",
    "CPU variant",
    "CPU part",
    "CPU revision",
    // RISC-V
    "isa",
    "uarch",
    "mvendorid",
    "marchid",
    // s390x
    "features",
    "machine",
];

/// A text that is the same on machines alike, and may not be on others.
pub(super) fn description() -> String {
    let mut text = String::new();
    if let Ok(file) = File::open("/proc/cpuinfo") {
        let mut bytes = Vec::new();
        // What cannot be read is left out: code is checked against the machine once more before it is run.
        let _ = file.take(READ).read_to_end(&mut bytes);
        text = first_processor(&String::from_utf8_lossy(&bytes));
    }
    format!("{}\n{text}", std::env::consts::ARCH)
}

/// The lines that matter of the first processor.
fn first_processor(cpuinfo: &str) -> String {
    let mut seen = Vec::new();
    let mut text = String::new();
    for line in cpuinfo.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        // s390x counts its processors in the key.
        let key = key.trim();
        if KEYS.contains(&key) && !seen.contains(&key) {
            seen.push(key);
            text.push_str(&format!("{key}: {}\n", value.trim()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_and_what_matters_of_it() {
        let info = "processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: 1\nflags\t\t: x y\n\nprocessor\t: 1\nmodel name\t: B\n";
        assert_eq!(first_processor(info), "model name: A\nflags: x y\n");
        assert_eq!(description(), description());
        assert!(description().starts_with(std::env::consts::ARCH));
    }
}
