#!/usr/bin/env bash
# Builds libiwasm.so, iwasm and wayfarer for another architecture, and test programs.
# usage: build.sh ARCH [TEST...]    (aarch64 or s390x; what comes of it is in target/cross/ARCH-unknown-linux-gnu/cross;
#                                   all tests if none is named)
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/cross/lib.sh
known "${1:-}"
scripts/cross/setup.sh

arch=$1
shift
# With the tests' own dependencies from the beginning: without them, some features differ.
if [ $# -eq 0 ]; then
    mapfile -t tests < <(test_programs)
    set -- --lib --test=everywhere "${tests[@]/#/--test=}"
else
    # Cargo makes the programs for a test of their package.
    set -- --test=hops "${@/#/--test=}"
fi
scripts/cross/cargo.sh "$arch" test --no-run "${packages[@]}" "$@"
built=$cross/$arch-unknown-linux-gnu/cross
# Cargo leaves it there when it builds it for tests.
ln -sf deps/libiwasm.so "$built/libiwasm.so"
ls -lL "$built/libiwasm.so" "$built/iwasm" "$built/wayfarer"
