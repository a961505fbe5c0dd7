#!/usr/bin/env bash
# Cargo for another architecture: what it builds is in target/cross/ARCH-unknown-linux-gnu/cross, what it runs is run by
# qemu.
# usage: cargo.sh ARCH COMMAND [ARGUMENT...]       (ARCH: aarch64 or s390x)
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/cross/lib.sh
known "${1:-}"
arch=$1
command=$2
shift 2

export LD_LIBRARY_PATH=$toolchain/usr/lib/x86_64-linux-gnu
export PATH=$toolchain/usr/bin:$PATH
export RUSTC=$toolchain/usr/bin/rustc RUSTDOC=$toolchain/usr/bin/rustdoc
export CARGO_TARGET_DIR=$cross
# Tests that start programs of this architecture do so with this in front of them.
export WAYFARER_TEST_EMULATOR="qemu-$arch -L /usr/$arch-linux-gnu"
# What they compile modules with.
export WAYFARER_TEST_WAMRC=$target/release/wamrc WAYFARER_TEST_COMPILED=$cross/compiled
exec "$toolchain/usr/bin/cargo" "$command" --config scripts/cross/cargo.toml --profile cross \
    --target "$arch-unknown-linux-gnu" "$@"
