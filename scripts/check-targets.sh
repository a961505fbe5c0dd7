#!/usr/bin/env bash
# Whether the portable file system compiles for systems that none of us tests on: `cargo check` of its crate, with a standard library that
# is checked from its sources, as rustup's may not be had everywhere.
#
# usage: check-targets.sh [TRIPLE...]      (default: x86_64-pc-windows-gnu aarch64-apple-darwin)
#
# Needs a nightly Rust with rust-src, and for Windows a dlltool: MinGW's, or LLVM's. Says so and skips what it cannot do where there is
# none. Whatever fails is a failed check. Takes minutes the first time; what it makes is in target/check-targets.
set -uo pipefail
cd "$(dirname "$0")/.."

if ! sysroot=$(rustc +nightly --print sysroot 2>/dev/null); then
    echo "check-targets: skipped: there is no nightly Rust (rustup toolchain install nightly)"
    exit 0
fi
if [ ! -d "$sysroot/lib/rustlib/src/rust/library" ]; then
    echo "check-targets: skipped: there are no sources of the standard library (rustup +nightly component add rust-src)"
    exit 0
fi
[ $# -gt 0 ] || set -- x86_64-pc-windows-gnu aarch64-apple-darwin
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/check-targets

# Rust looks for MinGW's by itself.
llvm_dlltool() {
    local name
    for name in llvm-dlltool llvm-dlltool-19 /usr/lib/llvm-19/bin/llvm-dlltool; do
        command -v "$name" && return
    done
    return 1
}

failed=0
for triple; do
    flags=
    if [[ $triple == *-windows-gnu ]] && ! command -v "${triple%%-*}-w64-mingw32-dlltool" >/dev/null; then
        if ! dlltool=$(llvm_dlltool); then
            echo "check-targets: $triple: skipped: there is no dlltool (Debian: llvm-19, or binutils-mingw-w64)"
            continue
        fi
        flags=-Cdlltool=$dlltool
    fi
    if RUSTFLAGS=$flags cargo +nightly check -Z build-std=std --target "$triple" -p wayfarer-files; then
        echo "check-targets: $triple: compiles"
    else
        echo "check-targets: $triple: does not compile" >&2
        failed=1
    fi
done
exit $failed
