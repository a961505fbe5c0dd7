#!/usr/bin/env bash
# Compiles the C programs among the tests' guests, tests/guests/*.c, to WebAssembly, and one with SQLite in it; fetches that, and
# CPython.
# usage: build-guests.sh [DIRECTORY]          (default: guests/ in cargo's target folder)
# A line "// clang: FLAGS" in a program adds flags.
set -euo pipefail
cd "$(dirname "$0")/.."
directory=${1:-${CARGO_TARGET_DIR:-target}/guests}
mkdir -p "$directory"

# clang runs a wasm-opt that it finds in PATH after linking; results must not depend on whether there is one.
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
printf '#!/bin/sh\nexit 0\n' >"$tools/wasm-opt"
chmod +x "$tools/wasm-opt"

shopt -s nullglob
for source in tests/guests/*.c; do
    name=$(basename "$source" .c)
    if [ "$directory/$name.wasm" -nt "$source" ]; then
        continue
    fi
    read -ra flags <<<"$(sed -n 's|^// clang: ||p' "$source" | tr '\n' ' ')"
    PATH=$tools:$PATH clang-19 --target=wasm32-wasi --sysroot=/usr -O2 ${flags[@]+"${flags[@]}"} \
        -o "$directory/$name.wasm" "$source"
done
scripts/fetch-python.sh "$directory" >/dev/null

# Its functions are many, and most are never called: optimized more, they take a minute.
sqlite=$(scripts/fetch-sqlite.sh "$directory")
if [ ! "$directory/transactions.wasm" -nt tests/guests/sqlite/transactions.c ]; then
    PATH=$tools:$PATH clang-19 --target=wasm32-wasi --sysroot=/usr -O1 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION \
        "-I$sqlite" -o "$directory/transactions.wasm" tests/guests/sqlite/transactions.c "$sqlite/sqlite3.c"
fi
