#!/usr/bin/env bash
# Runs tests, in release mode, and ends with one line: "N passed, N failed". Exit status 0 only if none failed. Each suite's
# output is kept in target/test-logs; what took how long is printed at the end.
# usage: test.sh [all|long]
#   nothing  samples of what takes long
#   all      what continuous integration runs: everything stopped at 500 points, CPython compiled and stopped, 1,000
#            hosts that do random things, the interpreter's tests with debug assertions, and the most important suites on other
#            architectures, emulated
#   long     for a night: more of all of it, sanitizers, and all suites on other architectures
# WAYFARER_TEST_SANITIZE=1, or =quick for a part of it that takes minutes: our own code under sanitizers, where there is a
# nightly Rust.
set -uo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
'') ;;
all) export WAYFARER_TEST_FULL=1 WAYFARER_TEST_CROSS=suites ;;
long) export WAYFARER_TEST_FULL=1 WAYFARER_TEST_LONG=1 WAYFARER_TEST_CROSS=full WAYFARER_TEST_SANITIZE=1 WAYFARER_TEST_STORM=60 \
    WAYFARER_TEST_BURSTS=1000000 SCRIPTED_COUNT=20000 WAYFARER_TEST_SECONDS=20000 ;;
*)
    echo "test.sh: there is no tier \"$1\": all, long" >&2
    exit 2
    ;;
esac
. scripts/suites.sh
target=${CARGO_TARGET_DIR:-target}

step build make --no-print-directory build
step guests scripts/build-guests.sh "$target/guests"
if [ "${WAYFARER_TEST_CROSS:-0}" != 0 ]; then
    . scripts/cross/suites.sh
    [ "$WAYFARER_TEST_CROSS" != suites ] || cross_builds "${architectures[@]}"
fi
suite rust cargo test --release --workspace --no-fail-fast
if [ "${WAYFARER_TEST_FULL:-0}" != 0 ]; then
    suite cpython-compiled cargo test --release --workspace --test everywhere -- --ignored cpython::compiled
    # With debug assertions, which no other suite has. Others' crates are those that are there: the last of these says what features.
    suite checked cargo test --release --config scripts/checked.toml --no-fail-fast \
        -p wayfarer-interp -p wayfarer-module -p wayfarer-runtime -p wayfarer-workspace-hack
fi
[ "${WAYFARER_TEST_LONG:-0}" = 0 ] || step check-targets scripts/check-targets.sh
suite c c-tests/run
suite install tests/install/run
if [ "${WAYFARER_TEST_SANITIZE:-0}" != 0 ]; then
    parts=()
    [ "$WAYFARER_TEST_SANITIZE" = quick ] && parts=(quick)
    step sanitize scripts/sanitize.sh "${parts[@]}"
fi
if [ "${WAYFARER_TEST_CROSS:-0}" != 0 ]; then
    cross_suites "${architectures[@]}"
fi
summary
