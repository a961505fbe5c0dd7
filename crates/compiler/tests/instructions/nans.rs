//! What keeps the bits of NaNs, and that it is no more than it takes.

use crate::support::{TARGETS, compiled, features, functions};
use wayfarer_compiler::{Format, Options};

/// LLVM's text of the only function of a module with this body, for each target.
fn optimized(body: &str, deterministic: bool) -> Vec<String> {
    let wat = format!("(module (func (param f32 f32) (result f32) {body}))");
    let text = |(triple, cpu): (&str, &str)| {
        let options = Options {
            triple: Some(triple.to_owned()),
            cpu: Some(cpu.to_owned()),
            features: features(triple),
            checkpoints: false,
            deterministic,
            format: Format::IrOptimized,
            ..Options::default()
        };
        let text = String::from_utf8(compiled(&wat, options)).unwrap();
        functions(&text)[0].to_owned()
    };
    TARGETS.into_iter().map(text).collect()
}

/// Comparisons that look for a NaN.
fn looks(text: &str) -> usize {
    text.lines().filter(|line| line.contains("fcmp uno ") || line.contains("fcmp ord ")).count()
}

#[test]
fn a_nan_becomes_the_canonical_one_at_last_only() {
    let chain = "(f32.div (f32.sub (f32.sqrt (f32.mul (local.get 0) (local.get 1))) (local.get 1))
        (f32.add (local.get 0) (local.get 1)))";
    for text in optimized(chain, true) {
        assert_eq!(looks(&text), 1, "{text}");
    }
    // What keeps a NaN's bits needs it to be canonical before.
    for text in optimized(&format!("(f32.copysign {chain} (f32.neg {chain}))"), true) {
        assert!(looks(&text) >= 1, "{text}");
    }
    for text in optimized(chain, false) {
        assert_eq!(looks(&text), 0, "{text}");
    }
}

/// LLVM takes a choice between a NaN and a root that is one for the root.
#[test]
fn roots_are_hidden_from_choices_only() {
    let root = "(f32.sqrt (local.get 0))";
    let choice = format!("(select (f32.const nan:0x200123) {root} (f32.lt (local.get 0) (f32.const 0)))");
    for deterministic in [false, true] {
        for text in optimized(&choice, deterministic) {
            let kept = text.contains("arithmetic.fence") || deterministic && looks(&text) > 0;
            assert!(kept, "{text}");
        }
    }
    for text in optimized(root, false) {
        assert!(!text.contains("arithmetic.fence"), "{text}");
    }
}
