# Running suites of tests, and counting. Sourced from the repository's root, by scripts/test.sh and scripts/cross/test.sh.

logs=${CARGO_TARGET_DIR:-target}/test-logs
mkdir -p "$logs"
passed=0
failed=0
ignored=0
# Seconds of each suite and step, "SECONDS NAME".
times=()
# Suites in which a test failed, and steps that did.
broken=()

# suite NAME COMMAND...: counts what the command reports. That is cargo's lines "test result: ...", or, of our own
# scripts, a last line "N passed, N failed". A suite that fails without a failed test counts as one: it did not
# build, crashed, or was cut short.
suite() {
    local name=$1 log=$logs/$1.log status counts
    shift
    echo
    echo "== $name: $*"
    local start=$SECONDS
    "$@" 2>&1 </dev/null | tee "$log"
    status=${PIPESTATUS[0]}
    counts=$(awk '
        /^test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
                if ($i ~ /^ignored/) ignored += $(i - 1)
            }
        }
        /^[0-9]+ passed, [0-9]+ failed$/ { own_passed = $1; own_failed = $3 }
        END { print passed + own_passed, failed + own_failed, ignored + 0 }' "$log")
    local suite_passed suite_failed suite_ignored
    read -r suite_passed suite_failed suite_ignored <<<"$counts"
    if [ "$status" -ne 0 ] && [ "$suite_failed" -eq 0 ]; then
        echo "== $name: ended with status $status"
        suite_failed=1
    elif [ "$status" -eq 0 ] && [ $((suite_passed + suite_failed)) -eq 0 ]; then
        echo "== $name: reported no tests"
        suite_failed=1
    fi
    [ "$suite_failed" -eq 0 ] || broken+=("$name")
    passed=$((passed + suite_passed))
    failed=$((failed + suite_failed))
    ignored=$((ignored + suite_ignored))
    echo "== $name: $suite_passed passed, $suite_failed failed ($((SECONDS - start)) s)"
    times+=("$((SECONDS - start)) $name")
}

# step NAME COMMAND...: something the suites need; counted only if it fails.
step() {
    local name=$1 start=$SECONDS
    shift
    echo "== $name: $*"
    if ! "$@" </dev/null; then
        echo "== $name failed"
        failed=$((failed + 1))
        broken+=("$name")
    fi
    times+=("$((SECONDS - start)) $name")
}

# beside NAME COMMAND...: starts something that a later step needs, with what processors have left. Its output is kept in
# target/test-logs. That step does again what failed here, so nothing is counted.
beside_names=()
beside_processes=()
beside() {
    local name=$1
    shift
    echo "== beside: $name"
    nice -n 19 "$@" >"$logs/$name.log" 2>&1 </dev/null &
    beside_names+=("$name")
    beside_processes+=($!)
}

# Waits for all that goes on beside.
wait_for_beside() {
    local nth start
    for nth in "${!beside_names[@]}"; do
        start=$SECONDS
        # Others' time is over now.
        renice -n 0 -g "$(ps -o pgid= "${beside_processes[nth]}")" >/dev/null 2>&1
        wait "${beside_processes[nth]}" || echo "== ${beside_names[nth]}, beside: failed"
        times+=("$((SECONDS - start)) ${beside_names[nth]}, waited for")
    done
    beside_names=()
    beside_processes=()
}

# What took longest: suites and steps in order, and within them the test programs that cargo ran for ten seconds or more.
print_times() {
    local line seconds name
    echo
    echo "Seconds:"
    for line in "${times[@]}"; do
        read -r seconds name <<<"$line"
        printf '%6d %s\n' "$seconds" "$name"
        [ ! -f "$logs/$name.log" ] || awk '
            /^ +Running / { program = $2 == "unittests" ? $NF : $2 }
            /^test result: / && match($0, /finished in [0-9.]+s/) {
                seconds = substr($0, RSTART + 12, RLENGTH - 13)
                if (seconds + 0 >= 10) printf "       %7.0f %s\n", seconds, program
            }' "$logs/$name.log"
    done
}

# What failed, again: it is far above by now. Of cargo's tests what they said, of C programs the line.
print_failures() {
    local name
    [ ${#broken[@]} -gt 0 ] || return
    echo
    echo "Failures:"
    for name in "${broken[@]}"; do
        echo "-- $name"
        [ ! -f "$logs/$name.log" ] || awk '
            /^---- .* ----$/ { shown = 1; lines = 0 }
            /^failures:$/ { shown = 0 }
            /^FAIL / { print }
            shown && lines++ < 60 { print substr($0, 1, 400) }' "$logs/$name.log"
    done
}

# Prints the line that counts all of it. Fails if anything did.
summary() {
    print_times
    print_failures
    if [ "$ignored" -gt 0 ]; then
        echo "$ignored ignored (not run by default)"
    fi
    echo
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
