//! The container's bytes: what is written is read, and nothing else is.

use std::sync::Arc;
use wayfarer_aot::{
    Arch, Artifact, ArtifactError, Bounds, MAGIC, Object, ObjectKind, Options, Section, Target,
    TargetMismatch, VERSION, is_artifact, is_upstream,
};

fn artifact() -> Artifact {
    Artifact {
        abi: 7,
        compiler: "wayfarer 0.1.0, LLVM 19.1.7".into(),
        target: Target {
            arch: Arch::S390x,
            triple: "s390x-unknown-linux-gnu".into(),
            cpu: "z13".into(),
            features: "+vector,-soft-float".into(),
            required: vec!["vector".into(), "distinct-ops".into()],
        },
        options: Options {
            checkpoints: true,
            bounds: Bounds::Explicit,
            precise_stable_points: false,
            opt_level: 3,
            size_level: 1,
            deterministic: false,
        },
        module: Arc::from(&b"\0asm\x01\0\0\0"[..]),
        objects: vec![
            Object { kind: ObjectKind::Code, bytes: Arc::from(&b"\x7fELF code"[..]) },
            Object { kind: ObjectKind::Continuations, bytes: Arc::from(&b"\x7fELF"[..]) },
        ],
    }
}

/// Where each section's header starts, its type, and the length of its payload: a second reader, by the document.
fn sections(bytes: &[u8]) -> Vec<(usize, u32, usize)> {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let mut at = 16;
    let mut found = Vec::new();
    for _ in 0..word(8) {
        let len = word(at + 8);
        found.push((at, u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()), len));
        at += 16 + len.next_multiple_of(8);
    }
    assert_eq!(at, bytes.len());
    found
}

/// Gives the section at `at` the checksum that its bytes have.
fn seal(bytes: &mut [u8], at: usize) {
    let len = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[at..at + 4]);
    crc.update(&bytes[at + 8..at + 16 + len]);
    bytes[at + 4..at + 8].copy_from_slice(&crc.finalize().to_le_bytes());
}

#[test]
fn what_is_written_is_read() {
    let artifact = artifact();
    let bytes = artifact.to_bytes();
    assert!(is_artifact(&bytes) && !is_upstream(&bytes));
    assert_eq!(Artifact::parse(&bytes).unwrap(), artifact);
    let empty = Artifact {
        compiler: String::new(),
        target: Target { required: Vec::new(), cpu: String::new(), ..artifact.target.clone() },
        module: Arc::from(&[][..]),
        objects: Vec::new(),
        ..artifact
    };
    assert_eq!(Artifact::parse(&empty.to_bytes()).unwrap(), empty);
}

#[test]
fn bytes_are_the_documented_ones() {
    let bytes = artifact().to_bytes();
    assert_eq!(&bytes[..16], b"\0aot\x01\0\x46\x57\x06\0\0\0\0\0\0\0");
    let sections = sections(&bytes);
    assert_eq!(sections.iter().map(|s| s.1).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 5]);
    // The object files lie at multiples of 8.
    let (at, _, len) = sections[4];
    assert_eq!(&bytes[at + 16..at + 16 + len], b"\0\0\0\0\0\0\0\0\x7fELF code");
    assert_eq!(at % 8, 0);
    let (at, _, len) = sections[2];
    assert_eq!(&bytes[at + 16..at + 16 + len], [1, 1, 0, 3, 1]);
    // One more where the code is for deterministic mode.
    let mut deterministic = artifact();
    deterministic.options.deterministic = true;
    let mut six = deterministic.to_bytes();
    assert_eq!(Artifact::parse(&six).unwrap(), deterministic);
    assert_eq!(&six[at + 8..at + 22], [&[6, 0, 0, 0, 0, 0, 0, 0][..], &[1, 1, 0, 3, 1, 1]].concat());
    six[at + 21] = 0;
    seal(&mut six, at);
    let error = Artifact::parse(&six).unwrap_err().to_string();
    assert!(error.contains("only written if it is set"), "{error}");
    let mut sealed = bytes.clone();
    for (at, _, _) in sections {
        seal(&mut sealed, at);
    }
    assert_eq!(sealed, bytes, "checksums are what the document says");
}

#[test]
fn upstream_files_are_refused_by_name() {
    for version in [1u32, 5, 6] {
        let bytes = [&MAGIC[..], &version.to_le_bytes(), &[0; 40]].concat();
        assert!(is_upstream(&bytes) && !is_artifact(&bytes));
        let error = Artifact::parse(&bytes).unwrap_err();
        assert_eq!(error, ArtifactError::Upstream { version });
        let text = error.to_string();
        assert!(text.contains("upstream WAMR") && text.contains("wamrc -o OUT.aot MODULE.wasm"), "{text}");
    }
    for other in
        [&b""[..], b"\0ao", b"\0aot", b"\0aot\x01\0\x46", b"\0asm\x01\0\0\0", b"\x7fELF\x02\x01\x01\0"]
    {
        assert!(!is_upstream(other) && !is_artifact(other));
        assert_eq!(Artifact::parse(other).unwrap_err(), ArtifactError::NotAnArtifact);
    }
}

#[test]
fn other_versions_are_refused() {
    let mut bytes = artifact().to_bytes();
    bytes[4] += 1;
    assert!(is_artifact(&bytes) && !is_upstream(&bytes));
    let error = Artifact::parse(&bytes).unwrap_err();
    assert_eq!(error, ArtifactError::Version { found: VERSION + 1 });
    assert!(error.to_string().contains("version 2 is not supported, version 1 is"), "{error}");
}

#[test]
fn every_truncation_and_every_flipped_bit_is_an_error() {
    let bytes = artifact().to_bytes();
    for len in 0..bytes.len() {
        assert!(Artifact::parse(&bytes[..len]).is_err(), "{len} bytes");
    }
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(Artifact::parse(&flipped).is_err(), "bit {at}");
    }
    let error = Artifact::parse(&[&bytes[..], b"\0"].concat()).unwrap_err();
    assert_eq!(error, ArtifactError::Trailing { offset: bytes.len() as u64, len: 1 });
}

#[test]
fn errors_say_what_and_where() {
    let bytes = artifact().to_bytes();
    let sections = sections(&bytes);
    let (module, _, _) = sections[3];

    let mut damaged = bytes.clone();
    damaged[module + 16] ^= 1;
    let error = Artifact::parse(&damaged).unwrap_err();
    assert_eq!(error, ArtifactError::Checksum { section: Section::Module, offset: module as u64 });

    let error = Artifact::parse(&bytes[..module + 20]).unwrap_err();
    let expected =
        ArtifactError::Truncated { what: "a section", offset: module as u64 + 16, needed: 8, have: 4 };
    assert_eq!(error, expected);

    let mut unknown = bytes.clone();
    unknown[module] = 9;
    seal(&mut unknown, module);
    let error = Artifact::parse(&unknown).unwrap_err();
    assert_eq!(error, ArtifactError::UnknownSection { number: 9, offset: module as u64 });

    // The padding after the options.
    let (options, _, len) = sections[2];
    let mut padding = bytes.clone();
    padding[options + 16 + len] = 1;
    let error = Artifact::parse(&padding).unwrap_err();
    assert_eq!(error, ArtifactError::Padding { offset: (options + 16 + len) as u64 });

    // Without the last section; with the first one twice.
    let bytes_of = |list: &[usize]| {
        let mut out = bytes[..8].to_vec();
        out.extend_from_slice(&(list.len() as u64).to_le_bytes());
        for &i in list {
            let end = sections.get(i + 1).map_or(bytes.len(), |s| s.0);
            out.extend_from_slice(&bytes[sections[i].0..end]);
        }
        Artifact::parse(&out)
    };
    assert_eq!(bytes_of(&[0, 1, 2, 3]).unwrap().objects, []);
    for missing in 0..4 {
        let list: Vec<usize> = (0..4).filter(|&i| i != missing).collect();
        assert_eq!(bytes_of(&list).unwrap_err(), ArtifactError::Missing(Section::ALL[missing]));
    }
    let order = |section, i: usize| ArtifactError::Order { section, offset: i as u64 };
    assert_eq!(bytes_of(&[0, 0]).unwrap_err(), order(Section::Producer, sections[1].0));
    assert_eq!(bytes_of(&[1, 0]).unwrap_err(), order(Section::Producer, 16 + sections[2].0 - sections[1].0));
}

/// Lies about every length and number, with checksums that are right.
#[test]
fn lies_are_errors() {
    let bytes = artifact().to_bytes();
    let mut malformed = 0;
    for (at, _, len) in sections(&bytes) {
        for place in at + 8..at + 16 + len {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut lie = bytes.clone();
                lie[place] = value;
                let fits = u64::from_le_bytes(lie[at + 8..at + 16].try_into().unwrap()) as usize
                    <= lie.len().saturating_sub(at + 16);
                if fits {
                    seal(&mut lie, at);
                }
                // What it still reads as has to be written as just that.
                match Artifact::parse(&lie) {
                    Ok(artifact) => assert_eq!(artifact.to_bytes(), lie, "byte {place} = {value:#x}"),
                    Err(ArtifactError::Malformed { offset, .. }) => {
                        assert!(offset as usize >= at && offset as usize <= lie.len());
                        malformed += 1;
                    }
                    Err(_) => {}
                }
            }
        }
    }
    assert!(malformed > 100, "{malformed}");

    // Of huge claims nothing is allocated: the lists would take terabytes.
    let (target, _, _) = sections(&bytes)[1];
    let required = bytes.windows(8).position(|w| w == [2, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert!(required > target);
    let mut lie = bytes.clone();
    lie[required + 5] = 1;
    seal(&mut lie, target);
    let error = Artifact::parse(&lie).unwrap_err();
    assert!(error.to_string().contains("features are more than"), "{error}");
    let mut lie = bytes;
    lie[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(Artifact::parse(&lie), Err(ArtifactError::Truncated { what: "a section header", .. })));
}

#[test]
fn this_machine_runs_its_own_code_only() {
    let host = Arch::host().expect("tests run where compiled code does");
    let target = |arch, required: &[&str]| Target {
        arch,
        triple: String::new(),
        cpu: String::new(),
        features: String::new(),
        required: required.iter().map(|&r| r.to_owned()).collect(),
    };
    assert_eq!(target(host, &[]).check_host(), Ok(()));
    for arch in Arch::ALL.into_iter().filter(|&arch| arch != host) {
        let error = target(arch, &[]).check_host().unwrap_err();
        assert_eq!(error.to_string(), format!("invalid target type, expected {host} but got {arch}"));
    }
    let error = target(host, &["warp-drive"]).check_host().unwrap_err();
    assert_eq!(error, TargetMismatch::UnknownFeature { name: "warp-drive".into() });
    if host == Arch::X86_64 {
        assert_eq!(target(host, &["sse2", "cx16"]).check_host(), Ok(()));
        // Of AMD's Bulldozer only: no machine has it together with AVX-512.
        if std::fs::read_to_string("/proc/cpuinfo").unwrap().contains("avx512f") {
            let error = target(host, &["sse2", "xop"]).check_host().unwrap_err();
            assert_eq!(error, TargetMismatch::Feature { name: "xop".into() });
        }
    }
}
