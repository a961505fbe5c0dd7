#!/usr/bin/env bash
# The same programs under valgrind, with guests interpreted and compiled. Run by `run`, which sets HOSTS, GUESTS, WAMRC.
set -u
. ./mistakes.bash

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
