//! Compiling when loaded: the cache, the compiler's place, what tools are told.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use crate::compiled::{HELLO, with_cache};
use crate::support::{Folder, built, iwasm_command, run};

/// The cache's entries.
fn entries(folder: &Folder) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.at("cache")) else { return Vec::new() };
    entries.map(|e| e.unwrap().path()).collect()
}

#[test]
fn code_is_compiled_once() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let load = |options: &[&str]| {
        let ran = run(with_cache(&folder, [options, &["-v=4", "--llvm-jit", &hello]].concat()));
        assert!(ran.stdout.contains("hello\n"), "{ran:?}");
        assert_eq!(ran.status, Some(3), "{ran:?}");
        ran.stdout
    };
    assert!(load(&[]).contains(": written"));
    let [entry] = &entries(&folder)[..] else { panic!("one entry") };
    let inode = || fs::metadata(entry).unwrap().ino();
    let first = inode();
    let used = load(&[]);
    assert!(used.contains(": used") && !used.contains(": written"), "{used}");
    assert_eq!(inode(), first);

    // Other options, another entry.
    assert!(load(&["--llvm-jit-opt-level=1"]).contains(": written"));
    assert_eq!(entries(&folder).len(), 2);

    // A damaged one is made anew.
    let sound = fs::read(entry).unwrap();
    for damage in [
        Box::new(|bytes: &mut Vec<u8>| bytes.truncate(0)) as Box<dyn Fn(&mut Vec<u8>)>,
        Box::new(|bytes| bytes.truncate(bytes.len() / 2)),
        Box::new(|bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
    ] {
        let mut bytes = sound.clone();
        damage(&mut bytes);
        fs::write(entry, bytes).unwrap();
        let text = load(&[]);
        assert!(text.contains("compiling again") && text.contains(": written"), "{text}");
        assert_eq!(fs::read(entry).unwrap().len(), sound.len());
        assert!(load(&[]).contains(": used"));
    }
    // One that others can write is not used.
    fs::set_permissions(entry, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(load(&[]).contains("only its user can write"));
    assert_eq!(fs::metadata(entry).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn where_the_cache_is() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    built();
    let load = |variables: &[(&str, String)]| {
        let mut command = iwasm_command(["--llvm-jit", &hello]);
        command.env_remove("XDG_CACHE_HOME").env("HOME", folder.at("home")).env("WAYFARER_JIT", "eager");
        variables.iter().for_each(|(name, value)| _ = command.env(name, value));
        run(command).expect("hello\n", 3);
    };
    let count = |path: &str| fs::read_dir(folder.at(path)).map_or(0, Iterator::count);
    load(&[("WAYFARER_CACHE", "off".to_owned())]);
    assert_eq!((count("home"), count("xdg")), (0, 0));
    load(&[]);
    assert_eq!(count("home/.cache/wayfarer"), 1);
    load(&[("XDG_CACHE_HOME", folder.text("xdg"))]);
    assert_eq!(count("xdg/wayfarer"), 1);
    load(&[("XDG_CACHE_HOME", folder.text("xdg")), ("WAYFARER_CACHE", folder.text("own"))]);
    assert_eq!((count("own"), count("xdg/wayfarer"), count("home/.cache/wayfarer")), (1, 1, 1));
    assert_eq!(fs::metadata(folder.at("own")).unwrap().mode() & 0o777, 0o700);
    // What cannot be a cache is none.
    load(&[("WAYFARER_CACHE", "/dev/null/x".to_owned())]);
}

#[test]
fn a_missing_compiler_is_missed_only_where_it_is_needed() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let without = |words: &[&str]| {
        let mut command = with_cache(&folder, words);
        command.env("WAYFARER_COMPILER", "/no/such.so");
        run(command)
    };
    without(&[&hello]).expect("hello\n", 3);
    let missing = without(&["--llvm-jit", &hello]);
    assert!(
        missing.stdout.contains("there is no compiler: WAYFARER_COMPILER=/no/such.so: No such file"),
        "{missing:?}"
    );
    assert!(missing.stdout.ends_with("Init runtime environment failed.\n"), "{missing:?}");
    assert_eq!(missing.status, Some(255));

    // Where it is looked for: a program of its own has none beside it.
    let elsewhere = folder.text("iwasm");
    fs::copy(env!("CARGO_BIN_EXE_iwasm"), &elsewhere).unwrap();
    let run_elsewhere = || {
        let mut command = crate::support::command(&[&elsewhere], ["--llvm-jit", &hello]);
        command.env("WAYFARER_CACHE", "off").env_remove("LD_LIBRARY_PATH");
        run(command)
    };
    let missing = run_elsewhere();
    let looked = format!("libwayfarer_compiler.so is neither in {}", folder.path().display());
    assert!(missing.stdout.contains(&looked), "{missing:?}");
    fs::copy(built().join("libwayfarer_compiler.so"), folder.at("libwayfarer_compiler.so")).unwrap();
    run_elsewhere().expect("hello\n", 3);

    // By the loader's path.
    let mut by_path = crate::support::command(&[&elsewhere], ["--llvm-jit", &hello]);
    fs::create_dir(folder.at("libraries")).unwrap();
    fs::rename(folder.at("libwayfarer_compiler.so"), folder.at("libraries/libwayfarer_compiler.so")).unwrap();
    by_path.env("WAYFARER_CACHE", "off").env("LD_LIBRARY_PATH", folder.at("libraries"));
    run(by_path).expect("hello\n", 3);

    // Something else by that name.
    let other = folder.write("other.so", "text");
    let mut command = with_cache(&folder, ["--llvm-jit", &hello]);
    command.env("WAYFARER_COMPILER", &other);
    let ran = run(command);
    assert!(ran.stdout.starts_with("WASM module load failed: the compiler cannot be loaded: "), "{ran:?}");
    assert_eq!(ran.status, Some(255));
}

#[test]
fn levels_out_of_range_are_brought_into_it() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    run(with_cache(&folder, ["--llvm-jit", "--llvm-jit-opt-level=0", "--llvm-jit-size-level=9", &hello]))
        .expect(
            "LLVM JIT opt level 0 is not between 1 and 3, taken as 1\n\
         LLVM JIT size level 9 is not between 1 and 3, taken as 3\nhello\n",
            3,
        );
}

#[test]
fn perf_is_told() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", &HELLO.replace("(func (export", "(func $say_hello (export"));
    let map = |command: std::process::Command| {
        let child = { command }.spawn().unwrap();
        let path = format!("/tmp/perf-{}.map", child.id());
        crate::support::wait(child).expect("hello\n", 3);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        text
    };
    let told = map(with_cache(&folder, ["--enable-linux-perf", "--llvm-jit", &hello]));
    assert!(told.lines().any(|line| line.ends_with(" say_hello")), "{told}");
    let aot = crate::compiled::compile(&hello, &[]);
    let told = map(with_cache(&folder, ["--enable-linux-perf", &aot]));
    assert!(told.lines().any(|line| line.ends_with(" say_hello")), "{told}");
    let mut by_variable = with_cache(&folder, [&*aot]);
    by_variable.env("WAYFARER_PERF", "map");
    assert!(map(by_variable).contains("say_hello"));
    assert_eq!(map(with_cache(&folder, [&*aot])), "");
}
