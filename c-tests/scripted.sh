#!/usr/bin/env bash
# Hosts that do random things, undisturbed, and stopped and restored again and again. Run by `run`, which sets HOSTS and GUESTS.
# SCRIPTED_SEED: where to begin (1); SCRIPTED_COUNT: how many (300; 1000 with WAYFARER_TEST_FULL=1).
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=300
[ -n "${WAYFARER_TEST_FULL:-}" ] && count=1000
count=${SCRIPTED_COUNT:-$count}
# Both at a time: they wait for processes more than they work.
hosts=(scripted scripted_c)
pids=()
for host in "${hosts[@]}"; do
    mkdir "$scratch/$host"
    "$HOSTS/$host" drive "${SCRIPTED_SEED:-1}" "$count" "$GUESTS" "$scratch/$host" >"$scratch/$host.result" 2>&1 &
    pids+=($!)
done
failed=0
for i in "${!hosts[@]}"; do
    if wait "${pids[i]}"; then
        echo "ok   ${hosts[i]}"
    else
        echo "FAIL ${hosts[i]}"
        failed=1
    fi
    result=$scratch/${hosts[i]}.result
    grep -v '^FAIL' "$result" | tail -n 1
    # Lines that begin with FAIL would count as tests.
    sed -n 's/^FAIL/     | differs:/p; /^     |/p' "$result" | head -n 40
done
exit $failed
