# Running suites of tests, and counting. Sourced from the repository's root, by scripts/test.sh and scripts/cross/test.sh.

logs=${CARGO_TARGET_DIR:-target}/test-logs
mkdir -p "$logs"
passed=0
failed=0
ignored=0

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
    passed=$((passed + suite_passed))
    failed=$((failed + suite_failed))
    ignored=$((ignored + suite_ignored))
    echo "== $name: $suite_passed passed, $suite_failed failed ($((SECONDS - start)) s)"
}

# step NAME COMMAND...: something the suites need; counted only if it fails.
step() {
    local name=$1
    shift
    echo "== $name: $*"
    if ! "$@" </dev/null; then
        echo "== $name failed"
        failed=$((failed + 1))
    fi
}

# Prints the line that counts all of it. Fails if anything did.
summary() {
    if [ "$ignored" -gt 0 ]; then
        echo "$ignored ignored (not run by default)"
    fi
    echo
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
