#!/usr/bin/env bash
# Says what `make build` lacks, all at once and before anything is built. Without LLVM it would take minutes to find out.
set -uo pipefail
cd "$(dirname "$0")/.."

missing=()
lacks() { missing+=("  $1"); }
has_header() { echo "#include <$1>" | cc -E - >/dev/null 2>&1; }

needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! command -v "${CARGO:-cargo}" >/dev/null || ! found=$(rustc --version 2>/dev/null); then
    lacks "Rust $needed or newer (https://rustup.rs)"
else
    found=${found#rustc }
    found=${found%%[ -]*}
    [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" = "$needed" ] ||
        lacks "Rust $needed or newer: there is $found (rustup update)"
fi
command -v cc >/dev/null || lacks "a C compiler, cc (Debian: gcc)"
without_llvm=${#missing[@]}

command -v c++ >/dev/null || lacks "a C++ compiler, c++ (Debian: g++)"
# Under the names that the build looks for.
config=
for name in ${LLVM_SYS_191_PREFIX:+"$LLVM_SYS_191_PREFIX/bin/llvm-config"} llvm-config llvm-config-19 llvm-config19; do
    case $("$name" --version 2>/dev/null) in
    19.*) config=$name && break ;;
    esac
done
if [ -z "$config" ]; then
    lacks "LLVM 19: no llvm-config-19 in PATH (Debian: llvm-19-dev; elsewhere: set LLVM_SYS_191_PREFIX to its folder)"
else
    "$config" --link-static --libs >/dev/null 2>&1 || lacks "LLVM 19's static libraries (Debian: llvm-19-dev)"
    [ -f "$("$config" --libdir)/libPolly.a" ] || lacks "LLVM 19's Polly (Debian: libpolly-19-dev)"
fi
has_header zstd.h || lacks "zstd (Debian: libzstd-dev)"
has_header zlib.h || lacks "zlib (Debian: zlib1g-dev)"

[ ${#missing[@]} -eq 0 ] && exit 0
{
    echo "make build: missing:"
    printf '%s\n' "${missing[@]}"
    echo "On Debian, \"make setup\" installs all but Rust, as root."
    if [ "$without_llvm" -eq 0 ]; then
        echo "Only the compiler needs what is missing: \"cargo build --release\" builds everything else."
    fi
} >&2
exit 1
