#!/usr/bin/env bash
# Checkpoints CPython in the middle of its work, in the interpreter, ends the process, and restores it in a new one, which compiles
# what is hot. Then compares with a run that nobody disturbed: output, exit status, and the file it wrote.
# usage: demo.sh [IWASM]
# DEMO_STEPS: how much work (default 60 steps).
set -euo pipefail
cd "$(dirname "$0")/.."
iwasm=$(realpath "${1:-target/release/iwasm}")
steps=${DEMO_STEPS:-60}
checkpointed=86 # iwasm's exit status after --checkpoint-then=exit
expected=42     # what the program ends with

python=$(scripts/fetch-python.sh)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
image=$dir/python.image

# Both runs get a folder of their own with the same input; the program reads one file and writes another.
for run in undisturbed moved; do
    mkdir "$dir/$run"
    cp scripts/demo/workload.py "$dir/$run"
    for i in $(seq "$steps"); do echo "word$((i * i % 997))"; done >"$dir/$run/words.txt"
done

# Sets `command` to what runs the program. An array, not a function: a function in the background is a shell of its own,
# and the signal would reach that.
python() { # FOLDER [IWASM OPTION...]
    local folder=$1
    shift
    # The hash seed would otherwise be random, and sets be walked in another order in each run.
    command=("$iwasm" --stack-size=1048576 --env=PYTHONHASHSEED=0 "--map-dir=/work::$folder" "$@"
        "$python" /work/workload.py "$steps")
}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

say "1. CPython, $(du -h "$python" | cut -f1) of WebAssembly, in the interpreter; nobody disturbs it"
start=$(milliseconds)
status=0
python "$dir/undisturbed"
"${command[@]}" >"$dir/undisturbed.out" || status=$?
duration=$(($(milliseconds) - start))
tail -n 2 "$dir/undisturbed.out"
[ "$status" -eq "$expected" ] || fail "the undisturbed run ended with $status, not $expected"
echo "   $duration ms, exit status $status"

say "2. The same again; it gets SIGUSR1 in the middle, writes an image and exits"
touch "$dir/first.out"
python "$dir/moved" "--checkpoint=$image" --checkpoint-signal=USR1 --checkpoint-then=exit
"${command[@]}" >"$dir/first.out" &
pid=$!
until [ "$(wc -l <"$dir/first.out")" -ge $((steps / 2)) ]; do
    kill -0 "$pid" 2>/dev/null || fail "it ended before it was half way"
    sleep 0.02
done
start=$(milliseconds)
kill -USR1 "$pid"
status=0
wait "$pid" || status=$?
echo "   process $pid: $(wc -l <"$dir/first.out") steps printed, exit status $status," \
    "$(($(milliseconds) - start)) ms from the signal to its end"
tail -n 2 "$dir/first.out"
[ "$status" -eq "$checkpointed" ] || fail "expected exit status $checkpointed: a checkpoint was taken"
[ -s "$image" ] || fail "no image was written"
echo "   image: $(du -h "$image" | cut -f1), $(stat -c %s "$image") bytes"

say "3. A new process goes on from the image, in the other engine: it compiles what is hot"
start=$(milliseconds)
status=0
python "$dir/moved" --llvm-jit "--restore=$image"
# Compiled code is kept with the rest of the demo, for as long as that.
env "WAYFARER_CACHE=$dir/cache" "${command[@]}" >"$dir/second.out" || status=$?
head -n 2 "$dir/second.out"
echo "   ..."
tail -n 1 "$dir/second.out"
echo "   $(($(milliseconds) - start)) ms, exit status $status," \
    "$(du -cb "$dir/cache"/*.parts | tail -n 1 | cut -f1) bytes of compiled code"

say "4. Did anybody notice?"
same() { # WHAT COMMAND...
    local what=$1
    shift
    "$@" || fail "$what differs"
    echo "   $what: the same"
}
cat "$dir/first.out" "$dir/second.out" >"$dir/moved.out"
[ -s "$dir/second.out" ] || fail "the restored process printed nothing: it was not stopped in the middle"
same "output of both processes together, $(wc -c <"$dir/moved.out") bytes" cmp "$dir/undisturbed.out" "$dir/moved.out"
same "exit status $expected" test "$status" -eq "$expected"
same "file written before and after" cmp "$dir/undisturbed/report.txt" "$dir/moved/report.txt"
