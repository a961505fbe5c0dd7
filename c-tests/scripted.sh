#!/usr/bin/env bash
# Hosts that do random things, undisturbed, and stopped and restored again and again. Run by `run`, which sets HOSTS and GUESTS.
# SCRIPTED_SEED: where to begin (1); SCRIPTED_COUNT: how many (300; 2000 with WAYFARER_TEST_FULL=1).
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=300
[ -n "${WAYFARER_TEST_FULL:-}" ] && count=2000
count=${SCRIPTED_COUNT:-$count}
failed=0
for host in scripted scripted_c; do
    if "$HOSTS/$host" drive "${SCRIPTED_SEED:-1}" "$count" "$GUESTS" "$scratch" >"$scratch/result" 2>&1; then
        echo "ok   $host"
    else
        echo "FAIL $host"
        failed=1
    fi
    grep -v '^FAIL' "$scratch/result" | tail -n 1
    # Lines that begin with FAIL would count as tests.
    sed -n 's/^FAIL/     | differs:/p; /^     |/p' "$scratch/result" | head -n 40
done
exit $failed
