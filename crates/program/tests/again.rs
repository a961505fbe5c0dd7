//! A host that knows nothing of checkpoints is started again, and makes the calls once more that it made.

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use support::{COUNTING, Guest, module, runtime, silent};
use wayfarer_program::embedder::Plain;
use wayfarer_program::policy::EXIT_CHECKPOINTED;
use wayfarer_runtime::Store;

/// Set in the process of the host.
const HOST: &str = "WAYFARER_TEST_HOST";

/// Two instances in two stores; it looks at memory between its calls. Nothing in it has to do with checkpoints.
fn host() {
    let (runtime, module) = (runtime(), module(COUNTING));
    let out = std::fs::OpenOptions::new().append(true).create(true).open(std::env::var_os(HOST).unwrap());
    let guest = Guest::new(&runtime, &module, false, out.unwrap(), silent());
    let embedder: Arc<dyn wayfarer_program::Embedder> = Arc::new(Plain);
    let [a, b] = [(); 2].map(|()| guest.instantiate(&Store::new(&runtime), &embedder).unwrap());
    for round in 1..=3 {
        for (name, running) in [("a", &a), ("b", &b)] {
            let results = running.call("count", &[round * 10]).unwrap();
            let memory = running.parts.instance().guest_memory();
            println!("{name}: {results:?}, at {}", memory.read_u32(0).unwrap());
        }
    }
}

fn run(folder: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "calls_that_were_done_are_answered", "--nocapture", "--test-threads=1"]);
    command.env(HOST, folder.join("out")).envs(variables.iter().copied());
    command.output().unwrap()
}

/// The lines that the host has printed.
fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| line.contains(", at ")).map(str::to_owned).collect()
}

#[test]
fn calls_that_were_done_are_answered() {
    if std::env::var_os(HOST).is_some() {
        return host();
    }
    let undisturbed = tempfile::tempdir().unwrap();
    let expected = lines(&run(undisturbed.path(), &[]));
    assert_eq!(expected.len(), 6, "{expected:?}");
    let all = std::fs::read_to_string(undisturbed.path().join("out")).unwrap();

    // Stable points are counted by store: in its first call, in a later one.
    for at in ["3", "40", "100"] {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let image = image.to_str().unwrap();
        let checkpoint = [
            ("WAYFARER_CHECKPOINT", image),
            ("WAYFARER_CHECKPOINT_AT", at),
            ("WAYFARER_CHECKPOINT_THEN", "exit"),
        ];
        let stopped = run(folder.path(), &checkpoint);
        assert_eq!(stopped.status.code(), Some(EXIT_CHECKPOINTED), "at {at}: {stopped:?}");
        let before = lines(&stopped);
        assert!(before.len() < 6 && expected.starts_with(&before), "{before:?}");
        let said = std::fs::read_to_string(folder.path().join("out")).unwrap();
        assert!(said.len() < all.len());

        let restored = run(folder.path(), &[("WAYFARER_RESTORE", image)]);
        assert!(restored.status.success(), "at {at}: {restored:?}");
        assert_eq!(lines(&restored), expected, "at {at}");
        // What was said before the checkpoint is not said again.
        assert_eq!(std::fs::read_to_string(folder.path().join("out")).unwrap(), all, "at {at}");
    }
}
