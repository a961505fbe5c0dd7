#!/usr/bin/env bash
# Builds libiwasm.so, iwasm and wayfarer for other architectures, and test programs.
# usage: build.sh ARCH[,ARCH] [TEST...]    (aarch64, s390x; what comes of it is in target/cross/ARCH-unknown-linux-gnu/cross;
#                                          all tests if none is named)
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/cross/lib.sh
IFS=, read -r -a wanted <<<"${1:-}"
for arch in "${wanted[@]:-}"; do
    known "$arch"
done
scripts/cross/setup.sh

shift
# With the tests' own dependencies from the beginning: without them, some features differ.
if [ $# -eq 0 ]; then
    mapfile -t tests < <(test_programs)
    set -- --lib --test=everywhere "${tests[@]/#/--test=}"
else
    # Cargo makes the programs for a test of their package.
    set -- --test=hops "${@/#/--test=}"
fi
for arch in "${wanted[@]}"; do
    scripts/cross/cargo.sh "$arch" test --no-run "${packages[@]}" "$@"
    built=$cross/$arch-unknown-linux-gnu/cross
    # Cargo leaves it there when it builds it for tests.
    ln -sf deps/libiwasm.so "$built/libiwasm.so"
    ls -lL "$built/libiwasm.so" "$built/iwasm" "$built/wayfarer"
done
