#!/usr/bin/env bash
# pthreads.c with guests that are compiled while they run: threads come and go between the interpreter and code.
set -uo pipefail
compiler=$(dirname "$WAMRC")/libwayfarer_compiler.so
[ -n "${EMULATOR:-}" ] && { echo "ok   pthreads_jit: nothing is compiled under an emulator"; exit 0; }
WAYFARER_MODE='jit!' WAYFARER_CACHE=off WAYFARER_COMPILER=$compiler ${CHECK_UNDER:-} "$HOSTS/pthreads"
