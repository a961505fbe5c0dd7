#!/usr/bin/env bash
# The folders of an installation. Remembers which of them were not there before, so that they, and no others, are removed.
#
# usage: folders.sh make DESTDIR LIST FOLDER...    makes folders, and writes to LIST those that are new
#        folders.sh remove DESTDIR LIST            removes those of LIST that are empty, and LIST
# LIST and the folders are named as on the machine that they are for; they are below DESTDIR here.
set -euo pipefail
command=$1 root=$2 list=$3
shift 3

case $command in
make)
    new=()
    for folder in "$@"; do
        # Those above come first.
        missing=()
        while [ "$folder" != / ] && [ "$folder" != . ] && [ ! -d "$root$folder" ]; do
            missing=("$folder" "${missing[@]}")
            folder=$(dirname "$folder")
        done
        for folder in "${missing[@]}"; do
            mkdir -p "$root$folder"
            new+=("$folder")
        done
    done
    # An installation over an older one has made the older one's, too.
    touch "$root$list"
    [ ${#new[@]} -eq 0 ] || printf '%s\n' "${new[@]}" >>"$root$list"
    ;;
remove)
    [ -f "$root$list" ] || exit 0
    mapfile -t folders <"$root$list"
    rm -f "$root$list"
    for ((i = ${#folders[@]} - 1; i >= 0; i--)); do
        # Others may have put something there.
        rmdir "$root${folders[i]}" 2>/dev/null || true
    done
    ;;
*)
    echo "folders.sh: unknown command $command" >&2
    exit 2
    ;;
esac
