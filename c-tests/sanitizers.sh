#!/usr/bin/env bash
# The same programs as hosts that look for mistakes: built with AddressSanitizer, which also looks for leaks, and UBSan. With
# guests interpreted and compiled. Run by `run`, which sets HOSTS, GUESTS, WAMRC.
set -u
. ./mistakes.bash

cflags=(-std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
    "-I$IWASM_ROOT/include" -I.)
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
for name in unwind signals cycles depth checkpoint native_state natives terminate exceptions memory \
    c_api c_api_imports c_api_ownership; do
    # -w: `run` has built it with all warnings as errors.
    if ! gcc "${cflags[@]}" -w -o "$scratch/$name" "$name.c" "-L$library" -liwasm -lpthread -lm; then
        echo "FAIL $name: does not build"
        failed=1
        continue
    fi
    check "$name, sanitized" "$scratch/$name"
    check "$name, sanitized, compiled" env CHECK_COMPILED=1 "$scratch/$name"
done
exit $failed
