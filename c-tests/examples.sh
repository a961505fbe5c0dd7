#!/usr/bin/env bash
# The examples do what they say. Run by `run`, which builds them and sets HOSTS, GUESTS and IWASM_ROOT.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

is() { # NAME EXPECTED COMMAND...: a test: what the command prints, and that it ends well
    local name=$1 expected=$2 printed status
    shift 2
    printed=$("$@" 2>&1)
    status=$?
    if [ $status -eq 0 ] && [ "$printed" = "$expected" ]; then
        echo "ok   $name"
    else
        echo "FAIL $name: status $status, printed:"
        sed 's/^/     | /' <<<"$printed"
        failed=1
    fi
}

first='1: 1
2: 5
3: 14
4: 30
5: 55
Exception: stopped by checkpoint'
second='6: 91
7: 140
8: 204
9: 285
10: 385
result: 385'
is embed $'the guest says: tseug ,olleH\n12 characters' "$HOSTS/embed-example" "$GUESTS/greet.wasm" "Hello, guest"
is checkpoint "$first" "$HOSTS/checkpoint-example" "$GUESTS/count.wasm" "$scratch/image"
is restore "$second" "$HOSTS/checkpoint-example" "$GUESTS/count.wasm" "$scratch/image"
# Python loads the library into itself: not one of another architecture, nor one whose sanitizer the program has to bring.
if [ -z "${EMULATOR:-}${SANITIZER:-}" ]; then
    is python "$first
restoring
$second" python3 "$IWASM_ROOT/examples/python/checkpoint.py" "$GUESTS/count.wasm"
fi
exit $failed
