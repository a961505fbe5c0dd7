//! The same at the level of the product: `iwasm` stops a guest and ends, another `iwasm` goes on.

use crate::harness::engine::Engine;
use crate::harness::folder::Folder;
use crate::harness::guests::{self, Guest};
use crate::harness::random::Random;
use crate::harness::streams::Kind;
use crate::points::{effort, reference};
use crate::support::{Ran, iwasm_command, run};
use std::fs::File;
use std::path::Path;

/// Status after a checkpoint, with `--checkpoint-then=exit`.
pub(crate) const CHECKPOINTED: i32 = 86;

/// Points of each guest.
fn count() -> u64 {
    if effort().first > 1000 { 60 } else { 4 }
}

/// Runs a guest in its own folder, under its own name: it may print that.
pub(crate) fn iwasm(
    guest: &Guest,
    home: &Path,
    data: Option<&Folder>,
    input: &File,
    options: &[String],
) -> Ran {
    let mut words = options.to_vec();
    words.extend(guest.env.iter().map(|entry| format!("--env={entry}")));
    words.extend(data.map(|folder| format!("--map-dir=/data::{}", folder.path().display())));
    words.push(guest.name.clone());
    words.extend(guest.args.iter().cloned());
    let mut command = iwasm_command(words);
    command.current_dir(home).stdin(open_again(input));
    run(command)
}

/// A description of its own, but the same file: a restored program finds its position again.
pub(crate) fn open_again(file: &File) -> File {
    let fd = std::os::fd::AsRawFd::as_raw_fd(file);
    File::open(format!("/proc/self/fd/{fd}")).expect("it is open")
}

#[test]
fn from_iwasm_to_iwasm() {
    for name in guests::names() {
        let guest = guests::guest(&name);
        // `iwasm` has no functions that call back.
        if guest.callback {
            continue;
        }
        let (_, polls) = reference(Engine::Interp, &guest, Kind::Files);
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join(&name), &*guest.module.bytes).expect("it can be written to");
        let image = home.path().join("the.image").display().to_string();
        let mut input = tempfile::tempfile().expect("a temporary file");
        std::io::Write::write_all(&mut input, &guest.stdin).expect("it can be written to");
        let mut random = Random::named(&format!("moved {name}"));
        for _ in 0..count() {
            let at = 1 + random.below(polls);
            let data = guest.dir.as_ref().map(|dir| Folder::copy_of(dir).expect("it can be copied"));
            let stop = [
                format!("--checkpoint={image}"),
                format!("--checkpoint-at={at}"),
                "--checkpoint-then=exit".to_owned(),
            ];
            let first = iwasm(&guest, home.path(), data.as_ref(), &input, &stop);
            assert_eq!((first.status, &*first.stderr), (Some(CHECKPOINTED), ""), "{name} at {at} of {polls}");
            let restore = [format!("--restore={image}")];
            let second = iwasm(&guest, home.path(), data.as_ref(), &input, &restore);
            assert_eq!(
                (second.status, &*second.stderr, first.stdout + &second.stdout),
                (Some(guest.exit as i32), "", String::from_utf8_lossy(&guest.expected).into_owned()),
                "{name} at {at} of {polls}"
            );
        }
    }
}
