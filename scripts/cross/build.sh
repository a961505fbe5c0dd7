#!/usr/bin/env bash
# Builds libiwasm.so, iwasm and wayfarer for another architecture, and the test programs.
# usage: build.sh ARCH           (aarch64 or s390x; what comes of it is in target/cross/ARCH-unknown-linux-gnu/cross)
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/cross/lib.sh
known "${1:-}"
scripts/cross/setup.sh

# With the tests' own dependencies from the beginning: without them, some features differ.
mapfile -t tests < <(test_programs)
scripts/cross/cargo.sh "$1" test --no-run "${packages[@]}" --lib --test everywhere "${tests[@]/#/--test=}"
built=$cross/$1-unknown-linux-gnu/cross
# Cargo leaves it there when it builds it for tests.
ln -sf deps/libiwasm.so "$built/libiwasm.so"
ls -lL "$built/libiwasm.so" "$built/iwasm" "$built/wayfarer"
