#!/usr/bin/env bash
# Makes sure that what the compiler, tests and demo need besides Rust, gcc and make is there. Installs the Debian packages
# of those that are missing; does nothing, and needs no privilege, if there are none.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/again.sh

missing=()
need() { # PACKAGE CHECK...: the package is needed unless the check succeeds
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

# The compiler: LLVM with what its libraries link, and the C++ compiler its headers are for.
need llvm-19-dev test -x /usr/lib/llvm-19/bin/llvm-config
need libpolly-19-dev test -f /usr/lib/llvm-19/lib/libPolly.a
need libzstd-dev test -f /usr/include/zstd.h
need zlib1g-dev test -f /usr/include/zlib.h
need g++ command -v c++
# Compiles guests: clang and the linker, WASI's C library, and the compiler's own run-time library for wasm32.
need clang-19 command -v clang-19
need lld-19 command -v wasm-ld-19
need wasi-libc test -f /usr/lib/wasm32-wasi/libc.a
need libclang-rt-19-dev-wasm32 test -f /usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a
# Assembles the guests of the tests in C.
need wabt command -v wat2wasm
# Run hosts that look for mistakes.
need valgrind command -v valgrind
need libasan8 sh -c 'ls /usr/lib/gcc/*/*/libasan.so'
# Fetches CPython, which is published as an npm package.
need npm command -v npm
# Build the hosts of the install test, as users would.
need cmake command -v cmake
need pkg-config command -v pkg-config
need python3 command -v python3
# Checks the manual pages.
need groff-base command -v groff
# Shown the names of compiled functions.
need gdb command -v gdb
need linux-perf command -v perf

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: missing: ${missing[*]}" >&2
    echo "setup: these are names of Debian packages; install them, or run \"make setup\" as root on Debian" >&2
    exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
again apt-get update -qq
again apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
