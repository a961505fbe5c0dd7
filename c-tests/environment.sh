#!/usr/bin/env bash
# Hosts that know nothing of checkpoints, under the WAYFARER_* environment variables: checkpointed, ended, restored in a
# new process, they give what an undisturbed run gives. Run by `run`, which sets HOSTS and GUESTS.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
image=$scratch/image
failed=0

check() { # NAME COMMAND...: a test. CHECK_ONLY: the names of those that are run; all by default
    local name=$1 status
    [[ -z ${CHECK_ONLY:-} || " $CHECK_ONLY " == *" $name "* ]] || return 0
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

# stopped N COMMAND...: runs it until its Nth stable point. Its output goes to $scratch/first.
stopped() {
    local n=$1 status=0
    shift
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=$n WAYFARER_CHECKPOINT_THEN=exit \
        "$@" >"$scratch/first" 2>"$scratch/err" || status=$?
    if [ $status -ne 86 ]; then
        echo "status $status, not 86, at stable point $n: $(cat "$scratch/err")"
        return 1
    fi
    test -s "$image"
}

# same FILE FILE: compares, and shows the difference
same() {
    diff "$1" "$2" || { echo "$1 and $2 differ"; return 1; }
}

# A host whose only call is long: what it prints comes after, so the restored run prints all of it.
one_call() {
    "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/expected"
    local n
    for n in 1 2 3 1000 54321 200000; do
        stopped $n "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200
        test ! -s "$scratch/first"
        WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/second"
        same "$scratch/expected" "$scratch/second"
    done
}

# A restored run can be stopped and restored again.
hops() {
    "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/expected"
    stopped 10 "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200
    local status
    for _ in 1 2 3 4 5; do
        status=0
        WAYFARER_RESTORE=$image WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=20000 \
            WAYFARER_CHECKPOINT_THEN=exit "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 || status=$?
        test $status -eq 86
    done
    WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
}

# A guest that starts threads, in the middle of the host's call: each goes on where it was. One of them may end it all.
threads() {
    "$HOSTS/plain" "$GUESTS/crew.wasm" sum 20000 >"$scratch/expected"
    local n status
    for n in 1 2 5 1000 20000 54321; do
        stopped $n "$HOSTS/plain" "$GUESTS/crew.wasm" sum 20000
        status=0
        WAYFARER_RESTORE=$image WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=3000 \
            WAYFARER_CHECKPOINT_THEN=exit "$HOSTS/plain" "$GUESTS/crew.wasm" sum 20000 >"$scratch/second" || status=$?
        if [ $status -eq 86 ]; then
            WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/crew.wasm" sum 20000 >"$scratch/second"
        fi
        same "$scratch/expected" "$scratch/second"
    done
}

# Going on after the checkpoint, the run is as if there had been none; and the image is good.
going_on() {
    "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=5000 \
        "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/first"
    same "$scratch/expected" "$scratch/first"
    WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
}

# A host that makes calls, allocates and writes to memory before the long call. It does all that again when restored;
# what it prints is the same.
several_calls() {
    "$HOSTS/several" "$GUESTS/records.wasm" 500 >"$scratch/expected"
    local n
    for n in 1 2 3 4 5 100 5000 400000 500000; do
        stopped $n "$HOSTS/several" "$GUESTS/records.wasm" 500
        WAYFARER_RESTORE=$image "$HOSTS/several" "$GUESTS/records.wasm" 500 >"$scratch/second"
        same "$scratch/expected" "$scratch/second"
    done
}

# A WASI program: output and file of both runs together are those of the undisturbed one.
wasi_program() {
    mkdir -p "$scratch/one" "$scratch/two"
    local status=0 n
    "$HOSTS/program" "$GUESTS/letters.wasm" "$scratch/one" /data/file 5000 >"$scratch/expected" || status=$?
    test $status -eq 26
    for n in 1 700 9000 30000; do
        rm -f "$scratch/two/file"
        stopped $n "$HOSTS/program" "$GUESTS/letters.wasm" "$scratch/two" /data/file 5000
        status=0
        WAYFARER_RESTORE=$image \
            "$HOSTS/program" "$GUESTS/letters.wasm" "$scratch/two" /data/file 5000 >"$scratch/second" || status=$?
        test $status -eq 26
        cat "$scratch/first" "$scratch/second" >"$scratch/both"
        same "$scratch/expected" "$scratch/both"
        same "$scratch/one/file" "$scratch/two/file"
    done
}

# By a signal from outside, in the middle.
by_signal() {
    # Long enough for the signal to find it at work.
    "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 100000 >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 100000 >"$scratch/first" &
    local host=$! status=0
    catches_usr2 $host
    sleep 0.1
    kill -USR2 $host
    wait $host || status=$?
    test $status -eq 86
    WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 100000 >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
}

# Waits until a process has a handler for SIGUSR2, which would end it before: bit 11 of its SigCgt.
catches_usr2() {
    local tries=0 caught
    until caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status") && ((0x$caught & 0x800)); do
        ((++tries < 1000))
        sleep 0.01
    done
}

# Each time some time has passed.
by_timer() {
    "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 20000 >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_EVERY=50ms \
        "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 20000 >"$scratch/first"
    same "$scratch/expected" "$scratch/first"
    WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 20000 >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
}

# A request that comes before the guest is loaded is served when it runs.
early() {
    "$HOSTS/early" "$GUESTS/mix.wasm" ticks 200 >"$scratch/expected"
    local status=0
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/early" "$GUESTS/mix.wasm" ticks 200 >"$scratch/first" || status=$?
    test $status -eq 86
    test ! -s "$scratch/first"
    WAYFARER_RESTORE=$image "$HOSTS/early" "$GUESTS/mix.wasm" ticks 200 >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
}

# A forked child serves its own requests; its parent is not asked.
forked() {
    local when
    for when in before after used; do
        rm -f "$image"
        WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_THEN=exit timeout 60 \
            "$HOSTS/worker" "$GUESTS/mix.wasm" ticks 50000000 $when >"$scratch/first"
        grep -x 'child ended: 86' "$scratch/first" || { cat "$scratch/first"; return 1; }
        test $when != before || grep '^parent: ' "$scratch/first"
        test -s "$image"
    done
    # By the clock, whose thread the child does not have.
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_EVERY=300ms WAYFARER_CHECKPOINT_THEN=exit timeout 60 \
        "$HOSTS/worker" "$GUESTS/mix.wasm" ticks 50000000 idle >"$scratch/first"
    grep -x 'child ended: 86' "$scratch/first" || { cat "$scratch/first"; return 1; }
    test -s "$image"
}

# Ends although a thread waits for input, and all that was printed is there.
reading() {
    rm -f "$image"
    mkfifo "$scratch/silent"
    sleep 60 >"$scratch/silent" &
    local silent=$! host status=0 tries=0
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/reader" "$GUESTS/mix.wasm" ticks 50000000 "$scratch/hosts_log" <"$scratch/silent" >"$scratch/first" &
    host=$!
    catches_usr2 $host
    kill -USR2 $host
    # The host's thread and this script's own `wait` must not wait for each other.
    while [ -d /proc/$host ] && ! grep -q 'State:[[:space:]]*Z' /proc/$host/status 2>/dev/null; do
        if ((++tries > 300)); then
            kill -KILL $host
        fi
        sleep 0.1
    done
    wait $host || status=$?
    kill $silent
    echo "status $status after $tries tries; printed '$(cat "$scratch/first")', logged '$(cat "$scratch/hosts_log")'"
    test $status -eq 86
    test "$(cat "$scratch/first")" = 'standard output'
    test "$(cat "$scratch/hosts_log")" = 'the log'
}

# Instances that a host restores by itself are checkpointed as the environment says, too.
restored_by_the_host() {
    "$HOSTS/early" "$GUESTS/mix.wasm" ticks 200 >"$scratch/expected"
    stopped 1000 "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200
    cp "$image" "$scratch/first.image"
    stopped 1000 "$HOSTS/restorer" "$GUESTS/mix.wasm" ticks "$scratch/first.image"
    "$HOSTS/restorer" "$GUESTS/mix.wasm" ticks "$image" >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
    export WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_EVERY=soon
    refused "WAYFARER_CHECKPOINT_EVERY=soon" "$HOSTS/restorer" "$GUESTS/mix.wasm" ticks "$scratch/first.image"
}

# A host that throws the library's messages away: its user learns what is wrong with what he asked for all the same, once.
silent_host() {
    export WAYFARER_RESTORE=$scratch/nothing
    refused "wayfarer: WASM module instantiate failed: $scratch/nothing" "$HOSTS/early" "$GUESTS/mix.wasm" ticks 200
    test "$(wc -l <"$scratch/out")" -eq 1
    unset WAYFARER_RESTORE
    stopped 10 "$HOSTS/early" "$GUESTS/mix.wasm" ticks 200
    export WAYFARER_RESTORE=$image
    refused "wayfarer: WASM module instantiate failed: $image: the image is of another module" \
        "$HOSTS/early" "$GUESTS/records.wasm" seed 1
    unset WAYFARER_RESTORE
    export WAYFARER_CHECKPOINT_EVERY=soon WAYFARER_CHECKPOINT=$image
    refused "wayfarer: WASM module instantiate failed: WAYFARER_CHECKPOINT_EVERY=soon" \
        "$HOSTS/early" "$GUESTS/mix.wasm" ticks 200
    unset WAYFARER_CHECKPOINT_EVERY WAYFARER_CHECKPOINT
    # What is not about checkpoints is the host's affair.
    local status=0
    "$HOSTS/early" "$GUESTS/start_trap.wasm" ticks 200 >"$scratch/out" 2>&1 || status=$?
    test $status -eq 3
    if grep '^wayfarer:' "$scratch/out"; then return 1; fi
}

refused() { # TEXT COMMAND...: the host ends with 3, and says TEXT
    local text=$1 status=0
    shift
    "$@" >"$scratch/out" 2>&1 || status=$?
    test $status -eq 3 || { echo "status $status: $(cat "$scratch/out")"; return 1; }
    grep -F -- "$text" "$scratch/out" || { cat "$scratch/out"; return 1; }
}

errors() {
    export WAYFARER_RESTORE=$scratch/nothing
    refused "$scratch/nothing" "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200
    WAYFARER_RESTORE= stopped 10 "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200
    export WAYFARER_RESTORE=$image
    refused "another module" "$HOSTS/several" "$GUESTS/records.wasm" 500
    unset WAYFARER_RESTORE
    export WAYFARER_CHECKPOINT_EVERY=soon WAYFARER_CHECKPOINT=$image
    refused "WAYFARER_CHECKPOINT_EVERY=soon" "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200
}

# A restored host that does something else than the first time is told so, and its guest does not run.
astray() {
    stopped 54321 "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200
    local status=0
    WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/mix.wasm" mix 200 >"$scratch/out" 2>&1 || status=$?
    test $status -eq 4
    grep -F 'Exception: the restored host calls function 3, but a call of function 4 is in progress' "$scratch/out" ||
        { cat "$scratch/out"; return 1; }
    status=0
    WAYFARER_RESTORE=$image "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 201 >"$scratch/out" 2>&1 || status=$?
    test $status -eq 4
    grep -F 'Exception: the restored host calls function 4 with other arguments' "$scratch/out" ||
        { cat "$scratch/out"; return 1; }
}

# A host of many short calls, which are remembered; up to a point, beyond which there is no checkpoint, and it goes on.
many_calls() {
    "$HOSTS/steps" "$GUESTS/records.wasm" 5000 >"$scratch/expected"
    local n
    for n in 1 2 777 4096 4999; do
        stopped $n "$HOSTS/steps" "$GUESTS/records.wasm" 5000
        WAYFARER_RESTORE=$image "$HOSTS/steps" "$GUESTS/records.wasm" 5000 >"$scratch/second"
        same "$scratch/expected" "$scratch/second"
    done
}

too_many_calls() {
    "$HOSTS/steps" "$GUESTS/records.wasm" 1048600 >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=1048590 WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/steps" "$GUESTS/records.wasm" 1048600 >"$scratch/first" 2>"$scratch/err"
    same "$scratch/expected" "$scratch/first"
    grep -F 'no checkpoint taken: the host has made more than 1048576 calls' "$scratch/err"
    test ! -e "$image"
}

# Those that were terminated before they began are calls, too.
too_many_terminated_calls() {
    "$HOSTS/steps" "$GUESTS/records.wasm" 1048600 terminated >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=1 WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/steps" "$GUESTS/records.wasm" 1048600 terminated >"$scratch/first" 2>"$scratch/err"
    same "$scratch/expected" "$scratch/first"
    grep -F 'no checkpoint taken: the host has made more than 1048576 calls' "$scratch/err"
    test ! -e "$image"
}

# What a host sees between its calls is what it saw the first time. Through pipes: a file would be another subject.
observed() { # WHAT ROUNDS POINT...
    local what=$1 rounds=$2 n guest=$GUESTS/scripted.wasm
    shift 2
    "$HOSTS/observing" "$guest" "$what" "$rounds" | cat >"$scratch/expected"
    for n in "$@"; do
        stopped "$n" "$HOSTS/observing" "$guest" "$what" "$rounds"
        WAYFARER_RESTORE=$image "$HOSTS/observing" "$guest" "$what" "$rounds" | cat >"$scratch/second"
        same "$scratch/expected" "$scratch/second"
    done
}
memory_between_calls() { observed memory 3000 1 5 21 25 40 50 60 3000 3070; }
globals_set_by_the_host() { observed global 500 1 22 300 600 1000 1500; }
memory_enlarged_by_the_host() { observed enlarge 500 1 22 300 600 1000 1500; }
blocks_of_the_app_heap() { observed heap 500 1 22 100 300 500 620; }
tables_between_calls() { observed table 200 1 22 300 500 800; }
references_to_functions() { observed functions 300 22 23 24 100 400 900; }

# An instance for each job: the image is of the one that was stopped. Its stable points are counted from its beginning, so
# that only a later one, which works longer, comes to a late one.
an_instance_for_each_job() { observed jobs 300 1 22 300 500 800 1100; }

# Two threads in one instance: which came first could not be repeated, which is said when the checkpoint is asked for.
overlapping_calls() {
    "$HOSTS/observing" "$GUESTS/scripted.wasm" overlap 300000 >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=600000 WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/observing" "$GUESTS/scripted.wasm" overlap 300000 >"$scratch/first" 2>"$scratch/err"
    same "$scratch/expected" "$scratch/first"
    grep -F 'no checkpoint taken: two threads of the host have called the guest at the same time' "$scratch/err"
    test ! -e "$image"
}

# Another thread calls another instance while checkpoints are taken: it waits outside meanwhile, or there is none.
a_thread_beside() {
    "$HOSTS/observing" "$GUESTS/scripted.wasm" beside 4000 | cat >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_EVERY=3ms \
        "$HOSTS/observing" "$GUESTS/scripted.wasm" beside 4000 2>"$scratch/err" | cat >"$scratch/first"
    same "$scratch/expected" "$scratch/first"
    test -s "$image"
    WAYFARER_RESTORE=$image "$HOSTS/observing" "$GUESTS/scripted.wasm" beside 4000 | cat >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
}

# A call that a thread ended was in progress; in the restored host, the thread is quicker, and the call has not begun yet.
ended_before_it_is_continued() {
    "$HOSTS/observing" "$GUESTS/scripted.wasm" ended 100 >"$scratch/expected"
    local n
    for n in 50 1000; do
        stopped $n "$HOSTS/observing" "$GUESTS/scripted.wasm" ended 100
        EARLY=1 WAYFARER_RESTORE=$image "$HOSTS/observing" "$GUESTS/scripted.wasm" ended 100 >"$scratch/second"
        same "$scratch/expected" "$scratch/second"
    done
    # Stopped once more, after that.
    rm -f "$image.2"
    EARLY=1 WAYFARER_RESTORE=$image WAYFARER_CHECKPOINT=$image.2 WAYFARER_CHECKPOINT_AT=50 WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/observing" "$GUESTS/scripted.wasm" ended 100 >"$scratch/second" || test $? -eq 86
    WAYFARER_RESTORE=$image.2 "$HOSTS/observing" "$GUESTS/scripted.wasm" ended 100 >"$scratch/third"
    same "$scratch/expected" "$scratch/third"
}

# What native functions keep in the host's memory is in no image, which is said once, by name.
natives_with_state() {
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=100 \
        "$HOSTS/plain" "$GUESTS/mix.wasm" ticks 200 >"$scratch/first" 2>"$scratch/err"
    grep -F "what these native functions keep in the host's memory is not part of the image: env.tick" "$scratch/err"
    test "$(grep -c 'native functions' "$scratch/err")" -eq 1
}

check memory_between_calls memory_between_calls
check globals_set_by_the_host globals_set_by_the_host
check memory_enlarged_by_the_host memory_enlarged_by_the_host
check blocks_of_the_app_heap blocks_of_the_app_heap
check tables_between_calls tables_between_calls
check references_to_functions references_to_functions
check an_instance_for_each_job an_instance_for_each_job
check overlapping_calls overlapping_calls
check a_thread_beside a_thread_beside
check ended_before_it_is_continued ended_before_it_is_continued
check natives_with_state natives_with_state

# A host on wasm_c_api.h: the restored program has its function and its globals.
standard_api() {
    "$HOSTS/standard" "$GUESTS/tally.wasm" >"$scratch/expected"
    local n
    for n in 1 777 2500 3500 4900; do
        stopped $n "$HOSTS/standard" "$GUESTS/tally.wasm"
        WAYFARER_RESTORE=$image "$HOSTS/standard" "$GUESTS/tally.wasm" >"$scratch/second"
        same "$scratch/expected" "$scratch/second"
    done
}

# Instances of a store come and go before, and the first is gone: an image has those that are left, and knows of the others only that
# they were made, which is a hash for each.
comings_and_goings() {
    local n size few=0
    for n in 0 1000; do
        "$HOSTS/comings" "$GUESTS/mix.wasm" $n 20 >"$scratch/expected"
        local at
        # The last one in a call after the long one.
        for at in 3000 9000 20000 22000; do
            stopped $at "$HOSTS/comings" "$GUESTS/mix.wasm" $n 20
            size=$(stat -c %s "$image")
            WAYFARER_RESTORE=$image "$HOSTS/comings" "$GUESTS/mix.wasm" $n 20 >"$scratch/second"
            same "$scratch/expected" "$scratch/second"
            if [ $at -eq 3000 ]; then
                [ $n -eq 0 ] && few=$size
                echo "$n: $size bytes"
                test $((size - few)) -lt $((48 * n + 8192))
            fi
        done
    done
    # A restored run is stopped again, where other instances are gone than at first.
    local status=0
    stopped 3000 "$HOSTS/comings" "$GUESTS/mix.wasm" 1000 20
    WAYFARER_RESTORE=$image WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_AT=20000 \
        WAYFARER_CHECKPOINT_THEN=exit "$HOSTS/comings" "$GUESTS/mix.wasm" 1000 20 >"$scratch/first" || status=$?
    test $status -eq 86
    WAYFARER_RESTORE=$image "$HOSTS/comings" "$GUESTS/mix.wasm" 1000 20 >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
}

# What a host's WASI program does is recorded, also behind a restore: the same calls as of one that nobody has disturbed.
recorded() {
    local log=${WAMRC%/*}/wayfarer n
    calls() { # FILE: without what is never the same; standard output is a file here, and a pipe there
        "$log" log "$1" >"$scratch/shown"
        sed -n 's/^[0-9]* [^ ]* thread [0-9]* \(.*\) \[[0-9.]* us\]$/\1/p' "$scratch/shown" |
            sed '/<stdout>/s/ bytes at [0-9]* / bytes /'
    }
    mkdir "$scratch/steady" "$scratch/hopped"
    WAYFARER_RECORD=$scratch/record "$HOSTS/program" "$GUESTS/letters.wasm" "$scratch/steady" /data/file 5000 | cat
    calls "$scratch/record" >"$scratch/expected"
    test "$(wc -l <"$scratch/expected")" -gt 30
    for n in 1 9000 30000; do
        rm -f "$scratch/record"
        export WAYFARER_RECORD=$scratch/record
        stopped $n "$HOSTS/program" "$GUESTS/letters.wasm" "$scratch/hopped" /data/file 5000
        WAYFARER_RESTORE=$image "$HOSTS/program" "$GUESTS/letters.wasm" "$scratch/hopped" /data/file 5000 \
            >"$scratch/second" || true
        unset WAYFARER_RECORD
        calls "$scratch/record" >"$scratch/calls"
        grep -F -- "-- checkpoint 1 to $image" "$scratch/shown"
        grep -F -- "-- restored from image $image" "$scratch/shown"
        same "$scratch/expected" "$scratch/calls"
    done
}

# Locks that the guest made in a call before are there again, for a call that waits with one of them. Those of another instance are in
# no image, which is refused.
locks() {
    local status host
    "$HOSTS/waiter" "$GUESTS/pthreads.wasm" >"$scratch/expected"
    rm -f "$image"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_THEN=exit "$HOSTS/waiter" "$GUESTS/pthreads.wasm" &
    host=$!
    catches_usr2 $host
    sleep 0.5
    kill -USR2 $host
    status=0
    wait $host || status=$?
    test $status -eq 86
    WAYFARER_RESTORE=$image "$HOSTS/waiter" "$GUESTS/pthreads.wasm" >"$scratch/second"
    same "$scratch/expected" "$scratch/second"
    WAYFARER_CHECKPOINT=$image WAYFARER_CHECKPOINT_THEN=exit \
        "$HOSTS/waiter" "$GUESTS/pthreads.wasm" "$GUESTS/pthreads.wasm" >"$scratch/second" 2>"$scratch/err" &
    host=$!
    catches_usr2 $host
    sleep 0.5
    kill -USR2 $host
    wait $host
    grep -F "another instance of the host's has locks" "$scratch/err"
    same "$scratch/expected" "$scratch/second"
}

check recorded recorded
check locks locks
check comings_and_goings comings_and_goings
check many_calls many_calls
check too_many_calls too_many_calls
check too_many_terminated_calls too_many_terminated_calls
check one_call one_call
check threads_of_the_guest threads
check hops hops
check going_on going_on
check several_calls several_calls
check wasi_program wasi_program
check by_signal by_signal
check by_timer by_timer
check early early
check forked forked
check reading reading
check restored_by_the_host restored_by_the_host
check silent_host silent_host
check errors errors
check astray astray
check standard_api standard_api
exit $failed
