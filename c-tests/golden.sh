#!/usr/bin/env bash
# Images of hosts that earlier builds wrote, in the sets under tests/golden/images, are restored by this one: by the same host,
# hosts/golden.c. Run by `run`, which sets HOSTS and GUESTS.
#
# GOLDEN_BLESS=SET makes what the set does not have yet; what is there stays as it is (tests/golden/README.md).
set -u
images=$IWASM_ROOT/tests/golden/images
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# What there is to do, the guest of each, and at which stable point it is stopped: 0 if it stops by itself.
scenarios='history records 30000
jobs records 1000
native device 30
forks records 1000
packed1 device 0
packed19 device 0
plain device 0
idle device 0
locked locks 0'

bless() { # SET
    local hosts=$images/$1/hosts what guest at image status
    mkdir -p "$hosts"
    while read -r what guest at; do
        image=$hosts/$what.image
        [ -e "$image" ] && continue
        [ -e "$hosts/$guest.wasm" ] || cp "$GUESTS/$guest.wasm" "$hosts/$guest.wasm"
        status=0
        if [ "$at" -gt 0 ]; then
            "$HOSTS/golden" "$hosts/$guest.wasm" "$what" >"$hosts/$what.expected" || exit 1
            WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=$at WAYFARER_CHECKPOINT_THEN=exit \
                "$HOSTS/golden" "$hosts/$guest.wasm" "$what" >"$scratch/first" || status=$?
        else
            "$HOSTS/golden" "$hosts/$guest.wasm" "$what" "$image" >"$scratch/first" || status=$?
            "$HOSTS/golden" "$hosts/$guest.wasm" "$what" "$image" >"$hosts/$what.expected" || exit 1
        fi
        if [ $status -ne 86 ]; then
            echo "$what: status $status, not 86" >&2
            exit 1
        fi
        grep -q "^$what " "$hosts/list" 2>/dev/null || echo "$what $guest" >>"$hosts/list"
    done <<<"$scenarios"
}

if [ -n "${GOLDEN_BLESS:-}" ]; then
    bless "$GOLDEN_BLESS"
fi

restore() { # HOSTS WHAT GUEST: to $scratch/out and $scratch/err
    local what=$2 guest=$1/$3.wasm image=$1/$2.image
    case $what in
    history | jobs | native | forks) WAYFARER_RESTORE=$image "$HOSTS/golden" "$guest" "$what" ;;
    *) "$HOSTS/golden" "$guest" "$what" "$image" ;;
    esac >"$scratch/out" 2>"$scratch/err"
}

# Where WHAT.refused is, the image does not hold enough, which is to be said.
check() { # HOSTS WHAT GUEST
    local hosts=$1 what=$2 status=0
    restore "$@" || status=$?
    if [ -e "$hosts/$what.refused" ]; then
        [ $status -eq 3 ] && grep -qFf "$hosts/$what.refused" "$scratch/err"
    else
        [ $status -eq 0 ] && diff "$hosts/$what.expected" "$scratch/out"
    fi || { echo "it ended with $status: $(cat "$scratch/err")"; return 1; }
}

for list in "$images"/*/hosts/list; do
    hosts=$(dirname "$list")
    set=$(basename "$(dirname "$hosts")")
    if [ "$(wc -l <"$list")" -ne "$(find "$hosts" -name '*.image' | wc -l)" ]; then
        echo "FAIL $set: not each image is in its list"
        failed=1
    fi
    while read -r what guest; do
        if log=$(check "$hosts" "$what" "$guest"); then
            echo "ok   $set/$what"
        else
            echo "FAIL $set/$what"
            sed 's/^/     | /' <<<"$log"
            failed=1
        fi
    done <"$list"
done
exit $failed
