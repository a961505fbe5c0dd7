# What scripts that look for mistakes share: sourced by them. `failed` is 1 after a failed test.
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
