#!/usr/bin/env bash
# Our own code under AddressSanitizer and ThreadSanitizer: the crates that read images, modules and compiled files, the files
# that nobody should trust (tests/bad_input), the programs (tests/cli), hosts in C, and random hosts. Whatever a sanitizer
# reports is a failed test.
#
# usage: sanitize.sh [PART...]     (default: all; what is built is in target/sanitize)
#   with AddressSanitizer: crates bad_input cli hosts scripted
#   with ThreadSanitizer:  threads thread_crates
#   quick: hosts and random hosts with AddressSanitizer, a sample
# SANITIZED_SCRIPTS: how many random hosts of each kind (60; 20 for quick). What is reported and no fault: scripts/tsan.supp.
#
# Needs a nightly Rust, for its flag, and clang-19; and what `make build` makes: the compiler is used as it is. ThreadSanitizer
# needs the sources of Rust's own library, too. Says so and does nothing where there is none of this. The last line counts.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/suites.sh

triple=x86_64-unknown-linux-gnu
if ! rustc +nightly --version >/dev/null 2>&1; then
    echo "sanitize: skipped: there is no nightly Rust (rustup toolchain install nightly)"
    exit 0
fi
if [ "$(rustc +nightly -vV | sed -n 's/^host: //p')" != $triple ]; then
    echo "sanitize: skipped: this is for $triple"
    exit 0
fi
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export WAYFARER_TEST_COMPILERS=$target/release WAYFARER_TEST_SECONDS=${WAYFARER_TEST_SECONDS:-900}
all=(crates bad_input cli hosts scripted threads thread_crates)

# Faults are how guests trap: their handler is the runtime's, which also looks where the stack is. It refuses sizes by itself.
common=handle_segv=0:handle_sigbus=0:handle_abort=0:use_sigaltstack=0
export ASAN_OPTIONS=$common:detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1
# Hosts fork whatever their threads do. A fault of compiled code is looked at where it happens, which is never inside malloc.
export TSAN_OPTIONS=$common:exitcode=0:history_size=4:die_after_fork=0:report_signal_unsafe=0
TSAN_OPTIONS=$TSAN_OPTIONS:suppressions=$PWD/scripts/tsan.supp
# AddressSanitizer does not mind that Rust's own library is built without it. ThreadSanitizer would not see the locks in it, so
# for that one it is built again.
declare -A flags=([address]=-Zsanitizer=address [thread]=-Zsanitizer=thread)
declare -A libraries=([thread]=std,panic_unwind,test)
declare -A runtimes=([address]=asan [thread]=tsan)

# sanitized NAME COMMAND...: builds, or runs, with a sanitizer. In a folder for each, and with a target of its own, so that what
# runs while building (macros, build scripts) is left as it is.
sanitized() {
    local name=$1
    shift
    env CARGO_TARGET_DIR="$target/sanitize/$name" RUSTUP_TOOLCHAIN=nightly \
        RUSTFLAGS="${flags[$name]} -Cforce-frame-pointers=yes" \
        ${libraries[$name]:+"CARGO_UNSTABLE_BUILD_STD=${libraries[$name]}"} "$@"
}
tests=(cargo test --profile sanitized --target $triple --no-fail-fast)

# compilers NAME: compilers for hosts, in the sanitizer's folder. Hosts bring the sanitizer's own part: Rust's, as the library
# was made for that one. That of threads has to see what hosts do, too. Tests that call `cc` find it in `path`.
compilers() {
    local name=$1 folder=$target/sanitize/$1/compilers runtime compiler with=
    runtime=$(rustc +nightly --print sysroot)/lib/rustlib/$triple/lib/librustc-nightly_rt.${runtimes[$name]}.a
    [ "$name" = thread ] && with="-fsanitize=thread -fno-sanitize-link-runtime"
    mkdir -p "$folder/path"
    for compiler in clang-19 clang++-19; do
        printf '#!/bin/sh\nexec %s %s "$@" -w -rdynamic -Wl,--whole-archive %s -Wl,--no-whole-archive -ldl -lrt -lm\n' \
            "$(command -v $compiler)" "$with" "$runtime" >"$folder/$compiler"
    done
    # What is loaded into a program has the program's.
    printf '#!/bin/sh\ncase " $* " in *" -shared "*) exec %s "$@" ;; esac\nexec %s "$@"\n' \
        "$(command -v cc)" "$folder/clang-19" >"$folder/path/cc"
    chmod +x "$folder"/clang* "$folder/path/cc"
}

# prepare NAME: the library with a sanitizer, and compilers for hosts.
prepare() {
    step "$1-library" sanitized "$1" \
        cargo rustc --quiet --profile sanitized --target $triple -p wayfarer --lib --crate-type cdylib
    compilers "$1"
    sees "$1"
}

# hosts NAME SUITE TEST...: hosts in C, with a sanitizer.
hosts() {
    local name=$1 suite=$2 folder=$target/sanitize/$1
    shift 2
    suite "$suite" env CC="$folder/compilers/clang-19" CXX="$folder/compilers/clang++-19" SANITIZER="$name" \
        IWASM_LIBRARY="$folder/$triple/sanitized/libiwasm.so" c-tests/run "$@"
}

# sees NAME: whether a sanitizer sees a mistake at all.
sees() {
    local folder=$target/sanitize/$1 library=$target/sanitize/$1/$triple/sanitized/libiwasm.so
    rm -f "$folder"/mistake*
    ln -sf "$library" "$folder/libiwasm.so.2"
    step mistaken "$folder/compilers/clang-19" -Iinclude -o "$folder/mistaken" c-tests/hosts/mistaken.c "$library"
    LD_LIBRARY_PATH=$folder ASAN_OPTIONS=$common:log_path=$folder/mistake TSAN_OPTIONS=$common:log_path=$folder/mistake \
        "$folder/mistaken" "$1" >/dev/null 2>&1
    if grep -qs 'Sanitizer: \(heap-buffer-overflow\|data race\)' "$folder"/mistake.*; then
        echo "ok   mistakes are seen by the sanitizer of $1"
        passed=$((passed + 1))
    else
        echo "FAIL mistakes are seen by the sanitizer of $1"
        failed=$((failed + 1))
    fi
}

# reported PART: each program with a report is a failure, whatever became of it.
reported() {
    local report
    for report in "$reports"/*; do
        [ -f "$report" ] && grep -q 'Sanitizer:' "$report" || continue
        echo "== $1: reported, in $report"
        head -n 40 "$report"
        failed=$((failed + 1))
    done
}

[ $# -gt 0 ] || set -- "${all[@]}"
sources=$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock
for part; do
    if [[ $part == thread* && ! -f $sources ]]; then
        echo "sanitize: $part skipped: no sources of Rust's own library (rustup component add rust-src --toolchain nightly)"
        continue
    fi
    start=$SECONDS
    # A folder for each: what was reported can be read afterwards.
    reports=$target/sanitize/reports/$part
    ASAN_OPTIONS=${ASAN_OPTIONS%:log_path=*}:log_path=$reports/report
    TSAN_OPTIONS=${TSAN_OPTIONS%:log_path=*}:log_path=$reports/report
    rm -rf "$reports" && mkdir -p "$reports"
    case $part in
    crates)
        suite address-crates sanitized address "${tests[@]}" -p wayfarer-snapshot -p wayfarer-runtime -p wayfarer-module \
            -p wayfarer-aot -p wayfarer-loader -p wayfarer-wasi -p wayfarer-libc -p wayfarer-guest -p wayfarer-interp
        ;;
    bad_input | cli)
        compilers address
        # Not with these compilers: what is built here is Rust's. How fast it is, is not asked.
        step "$part-built" sanitized address "${tests[@]}" --quiet --no-run --test "$part"
        suite "address-$part" sanitized address env PATH="$target/sanitize/address/compilers/path:$PATH" \
            "${tests[@]}" --test "$part" -- --skip hello_world_starts_fast
        ;;
    hosts)
        prepare address
        hosts address address-hosts c_api c_api_imports c_api_ownership call call_stack checkpoint context cycles \
            exceptions exec_env execute externref forks globals_tables init instantiate internals introspect load memory \
            native_state natives signals terminate unwind wasi wasi_checkpoint environment examples compiled
        ;;
    scripted)
        prepare address
        SCRIPTED_COUNT=${SANITIZED_SCRIPTS:-60} hosts address address-scripted scripted
        ;;
    quick)
        prepare address
        SCRIPTED_COUNT=${SANITIZED_SCRIPTS:-20} hosts address address-quick \
            checkpoint instantiate load memory natives native_state wasi_checkpoint scripted
        ;;
    threads)
        prepare thread
        # Of what the environment orders, that which has to do with threads.
        CHECK_ONLY="a_thread_beside overlapping_calls early forked reading" \
            hosts thread thread-hosts checkpoint forks memory native_state natives terminate threads wasi_checkpoint environment
        ;;
    thread_crates)
        # Not the storms in wasi: each of them is a scope of threads, whose end in Rust's own library is not seen.
        suite thread-runtime sanitized thread "${tests[@]}" -p wayfarer-runtime --lib
        ;;
    *)
        echo "sanitize: no part $part: there are ${all[*]} quick" >&2
        exit 2
        ;;
    esac
    reported "$part"
    echo "== $part: $((SECONDS - start)) s"
done
summary
