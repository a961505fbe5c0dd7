#!/usr/bin/env bash
# Runs all tests, in release mode, and ends with one line: "N passed, N failed". Exit status 0 only if none failed.
# Each suite's output is kept in target/test-logs. With WAYFARER_TEST_CROSS=1 (or =suites, for
# the most important of them) those for other architectures, too; with WAYFARER_TEST_SANITIZE=1, what reads hostile files
# under a sanitizer, where there is a nightly Rust.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/suites.sh
target=${CARGO_TARGET_DIR:-target}

step build make --no-print-directory build
step guests scripts/build-guests.sh "$target/guests"
suite rust cargo test --release --workspace --no-fail-fast
if [ "${WAYFARER_TEST_FULL:-0}" != 0 ]; then
    suite cpython-compiled cargo test --release --test everywhere -- --ignored cpython::compiled
fi
# With debug assertions, which no other suite has.
suite checked cargo test --profile checked --no-fail-fast -p wayfarer-interp -p wayfarer-module -p wayfarer-runtime
if [ -x c-tests/run ]; then
    suite c c-tests/run
fi
suite install tests/install/run
if [ "${WAYFARER_TEST_SANITIZE:-0}" != 0 ]; then
    step sanitize scripts/sanitize.sh
fi
if [ "${WAYFARER_TEST_CROSS:-0}" != 0 ]; then
    . scripts/cross/suites.sh
    cross_suites "${architectures[@]}"
fi
summary
