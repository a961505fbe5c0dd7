#!/usr/bin/env bash
# The same hosts with guests compiled ahead of time: they know nothing of that either. Checkpoints of compiled guests are
# restored in interpreted ones, and the other way round. Run by `run`, which sets HOSTS and GUESTS.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
image=$scratch/image
failed=0

# Built for this machine, also if the hosts are for another.
for wamrc in "$HOSTS/../../release/wamrc" "$HOSTS/../../../release/wamrc"; do
    if [ -x "$wamrc" ]; then break; fi
done
target=()
if [ -n "${EMULATOR:-}" ]; then
    arch=${EMULATOR%% *}
    target=("--target=${arch##*qemu-}")
fi

check() { # NAME COMMAND...: a test
    local name=$1 status
    shift
    (set -e; "$@") >"$scratch/log" 2>&1
    status=$?
    if [ $status -eq 0 ]; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        sed 's/^/     | /' "$scratch/log"
        failed=1
    fi
}

compile() { # NAME: $GUESTS/NAME.wasm to $scratch/NAME.aot, whose stable points are counted as the interpreter counts
    "$wamrc" "${target[@]}" --opt-level=1 --precise-stable-points -o "$scratch/$1.aot" "$GUESTS/$1.wasm"
}

# across EXPECTED N FIRST SECOND COMMAND...: runs the command with file FIRST up to its Nth stable point, then with file
# SECOND from there; FILE in the command stands for them. What is printed then, $scratch/second, is what is in EXPECTED:
# what a host prints of calls that were done it prints again.
across() {
    local expected=$1 n=$2 first=$3 second=$4 status=0
    shift 4
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=$n WAYFARER_CHECKPOINT_THEN=exit \
        "${@/FILE/$first}" >"$scratch/first" || status=$?
    test $status -eq 86
    status=0
    WAYFARER_RESTORE=$image "${@/FILE/$second}" >"$scratch/second" || status=$?
    test $status -eq "${expected_status:-0}"
    ${compare:-diff} "$expected" "$scratch/second"
}

calls_of_the_host() {
    compile mix
    local wasm=$GUESTS/mix.wasm aot=$scratch/mix.aot n
    "$HOSTS/plain" "$wasm" ticks 200 >"$scratch/expected"
    "$HOSTS/plain" "$aot" ticks 200 | diff "$scratch/expected" -
    for n in 1 2 3 1000 54321; do
        across "$scratch/expected" $n "$aot" "$wasm" "$HOSTS/plain" FILE ticks 200
        across "$scratch/expected" $n "$wasm" "$aot" "$HOSTS/plain" FILE ticks 200
        across "$scratch/expected" $n "$aot" "$aot" "$HOSTS/plain" FILE ticks 200
    done
}

several_calls() {
    compile records
    local wasm=$GUESTS/records.wasm aot=$scratch/records.aot n
    "$HOSTS/several" "$wasm" 500 >"$scratch/expected"
    "$HOSTS/several" "$aot" 500 | diff "$scratch/expected" -
    for n in 1 5 5000 400000; do
        across "$scratch/expected" $n "$aot" "$wasm" "$HOSTS/several" FILE 500
        across "$scratch/expected" $n "$wasm" "$aot" "$HOSTS/several" FILE 500
    done
}

# What a guest has printed, it does not print again.
together() { # EXPECTED SECOND
    cat "$scratch/first" "$2" | diff "$1" -
}

wasi_program() {
    compile letters
    mkdir -p "$scratch/data"
    local wasm=$GUESTS/letters.wasm aot=$scratch/letters.aot n status=0 expected_status=26 compare=together
    "$HOSTS/program" "$wasm" "$scratch/data" /data/file 5000 >"$scratch/expected" || status=$?
    test $status -eq 26
    cp "$scratch/data/file" "$scratch/expected_file"
    for n in 1 700 30000; do
        rm "$scratch/data/file"
        across "$scratch/expected" $n "$aot" "$wasm" "$HOSTS/program" FILE "$scratch/data" /data/file 5000
        diff "$scratch/expected_file" "$scratch/data/file"
        rm "$scratch/data/file"
        across "$scratch/expected" $n "$wasm" "$aot" "$HOSTS/program" FILE "$scratch/data" /data/file 5000
        diff "$scratch/expected_file" "$scratch/data/file"
    done
}

check "calls of the host, compiled" calls_of_the_host
check "several calls, compiled" several_calls
check "a WASI program, compiled" wasi_program
exit $failed
