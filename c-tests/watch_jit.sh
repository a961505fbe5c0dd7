#!/usr/bin/env bash
# watch.c with guests that are compiled while they run: functions that are watched before they are hot stay out of that.
set -uo pipefail
compiler=$(dirname "$WAMRC")/libwayfarer_compiler.so
[ -n "${EMULATOR:-}" ] && { echo "ok   watch_jit: nothing is compiled under an emulator"; exit 0; }
WAYFARER_MODE='jit!' WAYFARER_CACHE=off WAYFARER_COMPILER=$compiler ${CHECK_UNDER:-} "$HOSTS/watch"
