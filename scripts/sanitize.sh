#!/usr/bin/env bash
# What reads images and modules that may be hostile, under AddressSanitizer: the tests of the crates that read and restore
# images, the files that nobody should trust (tests/bad_input), and hosts in C against a library that is built so.
# usage: sanitize.sh [rust|c]...    (both; what is built is in target/sanitize)
# Needs a nightly Rust, for its flag; says so and does nothing where there is none. The last line counts.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/suites.sh

if ! rustc +nightly --version >/dev/null 2>&1; then
    echo "sanitize: skipped: there is no nightly Rust (rustup toolchain install nightly)"
    exit 0
fi
[ $# -gt 0 ] || set -- rust c
triple=x86_64-unknown-linux-gnu
if [ "$(rustc +nightly -vV | sed -n 's/^host: //p')" != $triple ]; then
    echo "sanitize: skipped: this is for $triple"
    exit 0
fi
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# With a target of its own, what runs while building (macros, build scripts) is left as it is.
sanitized=(env CARGO_TARGET_DIR="$target/sanitize" RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes"
    RUSTUP_TOOLCHAIN=nightly)
# Faults are how guests trap: their handler is the runtime's, which also looks where the stack is.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:use_sigaltstack=0
cargo=(cargo --config 'profile.release.debug="line-tables-only"')

for part; do
    case $part in
    rust)
        suite sanitized-crates "${sanitized[@]}" "${cargo[@]}" test --release --target $triple --no-fail-fast \
            -p wayfarer-snapshot -p wayfarer-runtime
        suite sanitized-bad-input "${sanitized[@]}" "${cargo[@]}" test --release --target $triple --test bad_input
        ;;
    c)
        step sanitized-library "${sanitized[@]}" "${cargo[@]}" rustc --release --target $triple --lib --crate-type cdylib
        # The hosts bring the sanitizer's own part: Rust's, as the library was made for that one.
        runtime=$(rustc +nightly --print sysroot)/lib/rustlib/$triple/lib/librustc-nightly_rt.asan.a
        printf '#!/bin/sh\nexec gcc "$@" -rdynamic -Wl,--whole-archive %s -Wl,--no-whole-archive -ldl -lrt -lpthread -lm\n' \
            "$runtime" >"$target/sanitize/cc"
        chmod +x "$target/sanitize/cc"
        suite sanitized-c env CC="$target/sanitize/cc" \
            IWASM_LIBRARY="$target/sanitize/$triple/release/libiwasm.so" \
            c-tests/run checkpoint load memory native_state natives wasi_checkpoint
        ;;
    *)
        echo "sanitize: no part $part: there are rust and c" >&2
        exit 2
        ;;
    esac
done
summary
