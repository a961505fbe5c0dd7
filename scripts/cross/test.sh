#!/usr/bin/env bash
# Builds for other architectures and runs tests there, emulated; the last line counts them: "N passed, N failed".
# usage: test.sh [ARCH...]                 (aarch64 and s390x)
set -uo pipefail
cd "$(dirname "$0")/../.."
. scripts/suites.sh
. scripts/cross/suites.sh
for arch in "$@"; do
    known "$arch" || exit 2
done
if [ $# -eq 0 ]; then
    set -- "${architectures[@]}"
fi
step guests scripts/build-guests.sh "$target/guests"
cross_suites "$@"
summary
