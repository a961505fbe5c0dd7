#!/usr/bin/env bash
# The same programs as hosts that look for mistakes: built with AddressSanitizer, which also looks for leaks, and UBSan;
# and under valgrind. With guests interpreted and compiled. Run by `run`, which sets HOSTS, GUESTS, WAMRC.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
library=${LD_LIBRARY_PATH%%:*}
failed=0
export CHECK_SLOW=1

check() { # NAME COMMAND...: a test; any report is a failure, whatever the status
    local name=$1 status
    shift
    timeout --kill-after=10 200 "$@" >"$scratch/log" 2>&1 </dev/null
    status=$?
    if [ $status -eq 0 ] && grep -q '^ok   ' "$scratch/log" &&
        ! grep -Eq '^FAIL |^==[0-9]+==|runtime error:' "$scratch/log"; then
        echo "ok   $name"
    else
        echo "FAIL $name (status $status)"
        head -n 60 "$scratch/log" | sed 's/^/     | /'
        failed=1
    fi
}

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

# valgrind takes an access that a guard page stops for a mistake, which it is: of the guest. So accesses are compared here.
# And it does not know all instructions.
mkdir "$scratch/guests"
for name in unwind mix values natives spin traps imports start_trap kinds references nap; do
    cp "$GUESTS/$name.wasm" "$scratch/guests/"
    "$WAMRC" -v=0 --bounds-checks=1 --cpu=x86-64-v2 -o "$scratch/guests/$name.aot" "$GUESTS/$name.wasm" >/dev/null
done
under=(valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect
    --errors-for-leak-kinds=definite,indirect --max-stackframe=16777216 --suppressions=valgrind.supp)
for name in unwind cycles checkpoint natives terminate exceptions c_api c_api_imports c_api_ownership; do
    if ! gcc -std=gnu11 -O1 -g -w "-I$IWASM_ROOT/include" -I. -o "$scratch/plain" "$name.c" "-L$library" -liwasm -lpthread -lm
    then
        echo "FAIL $name: does not build"
        failed=1
        continue
    fi
    check "$name, under valgrind" env "GUESTS=$scratch/guests" "${under[@]}" "$scratch/plain"
    check "$name, under valgrind, compiled" env "GUESTS=$scratch/guests" CHECK_COMPILED=1 "${under[@]}" "$scratch/plain"
done
exit $failed
