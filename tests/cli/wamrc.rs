//! `wamrc`, as far as there is one.

use crate::support::{Folder, wamrc};

#[test]
fn it_says_what_it_is_not() {
    let version = wamrc(["--version"]);
    assert!(version.stdout.starts_with("wamrc 2.4.3\n") && version.stdout.contains("without a compiler"));
    assert_eq!(version.status, Some(0));
    let help = wamrc(["--help"]);
    assert!(help.stdout.contains("not part of this release"));
    assert_eq!(help.status, Some(0));

    let folder = Folder::new();
    let (module, output) = (folder.module("a.wasm", "(module)"), folder.text("a.aot"));
    for words in [&["-o", &*output, &*module][..], &[], &["--target=help"]] {
        wamrc(words).expect(
            "wamrc: compiling ahead of time is not part of this release of Wayfarer; run the .wasm file with iwasm\n",
            1,
        );
    }
    assert!(!folder.at("a.aot").exists());
}
