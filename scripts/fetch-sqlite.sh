#!/usr/bin/env bash
# Fetches SQLite's source, which an npm package has in one file, and prints the path of its folder.
# usage: fetch-sqlite.sh [DIRECTORY]          (default: guests/ in cargo's target folder)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/again.sh

package=better-sqlite3
version=12.11.1
sha256=60d2f39a3726cd6b9021da6f4e868608d66fbb6528a9f513dc8ffcc640493422
directory=${1:-${CARGO_TARGET_DIR:-target}/guests}
folder=$directory/sqlite

check() {
    echo "$sha256  $1" | sha256sum --check --status
}

if ! { [ -f "$folder/sqlite3.c" ] && check "$folder/sqlite3.c"; }; then
    mkdir -p "$directory"
    scratch=$(mktemp -d "$directory/fetch.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    echo "fetch-sqlite: npm package $package $version" >&2
    # Only that package, without what it needs.
    again npm pack --pack-destination "$scratch" --loglevel=error "$package@$version" >/dev/null </dev/null
    tar xzf "$scratch/$package-$version.tgz" -C "$scratch" package/deps/sqlite3
    fetched=$scratch/package/deps/sqlite3
    check "$fetched/sqlite3.c" || { echo "fetch-sqlite: $package $version is not the file we know (SHA-256)" >&2; exit 1; }
    rm -rf "$folder"
    mv "$fetched" "$folder"
fi
echo "$folder"
