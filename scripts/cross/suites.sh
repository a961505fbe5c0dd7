# The tests that are run for other architectures. Sourced from the repository's root, after scripts/suites.sh.

. scripts/cross/lib.sh

# What `suites` runs of the crates' tests.
cross_sample=(spec differential large_frames deterministic golden)

# cross_builds ARCH...: has what `suites` needs built while others are tested: half of that time they wait for something, or have
# work for one processor.
cross_builds() {
    local IFS=,
    beside cross-builds scripts/cross/build.sh "$*" "${cross_sample[@]}"
}

# cross_suites ARCH...: builds and tests for each, and moves guests between them and this machine. WAYFARER_TEST_CROSS says how
# much: `suites`, what runs code of each engine (the official test suite, random modules, large frames, NaNs) and old images; `full`, all
# combinations of engines that guests can travel in, and CPython; otherwise all tests of the crates, a sample of the test that
# stops programs everywhere, and hosts in C.
cross_suites() {
    local arch built test tests c_tests stations= only=()
    # Under emulation only samples.
    local sample=(env -u WAYFARER_TEST_FULL)
    # Names of functions are told to perf and gdb, and compared with lld, of this machine.
    mapfile -t tests < <(test_programs | grep -vxE 'paths|announce|perf|lld')
    if [ "${WAYFARER_TEST_CROSS:-}" = suites ]; then
        only=("${cross_sample[@]}")
        tests=("${only[@]}")
    fi
    wait_for_beside
    step cross-setup scripts/cross/setup.sh
    # Modules are compiled on this machine, for all.
    step wamrc cargo build --quiet --release --workspace --bin wamrc
    # What is kept of other builds of it.
    find "$cross/compiled" -name '*.aot' ! -newer "$target/release/wamrc" -delete 2>/dev/null
    for arch in "$@"; do
        built=$cross/$arch-unknown-linux-gnu
        test=("${sample[@]}" scripts/cross/cargo.sh "$arch" test --no-fail-fast "${packages[@]}")
        mkdir -p "$built" "$target/guests"
        # Guests are the same everywhere, and compiled once.
        ln -sfn "$target/guests" "$built/guests"
        step "build-$arch" scripts/cross/build.sh "$arch" "${only[@]}"
        stations+="$arch $toolchain/usr/bin/qemu-$arch -L /usr/$arch-linux-gnu $built/cross/iwasm"$'\n'
        # It looks at the interpreter that was built.
        if [ "$arch" = aarch64 ]; then
            suite "dispatch-$arch" cargo test --release --workspace --test dispatch -- --ignored "for_$arch"
        fi
        if [ ${#only[@]} -gt 0 ]; then
            suite "crates-$arch" "${test[@]}" "${tests[@]/#/--test=}"
            continue
        fi
        suite "crates-$arch" "${test[@]}" --lib "${tests[@]/#/--test=}"
        # qemu refuses seccomp(2) filters; with one of them a test makes a kernel without openat2(2).
        suite "paths-$arch" "${test[@]}" --test paths -- --skip all_of_this_holds_without_openat2
        suite "everywhere-$arch" "${test[@]}" --test everywhere
        # Without the hosts that work for minutes when emulated.
        mapfile -t c_tests < <(cd c-tests && ls ./*.c ./*.cpp ./*.sh | sed 's|^./||; s|\.[a-z]*$||' | grep -vx environment)
        suite "c-$arch" env CC="$arch-linux-gnu-gcc" CXX="$arch-linux-gnu-g++" \
            EMULATOR="$toolchain/usr/bin/qemu-$arch -L /usr/$arch-linux-gnu" \
            IWASM_LIBRARY="$built/cross/libiwasm.so" CARGO_TARGET_DIR="$cross" c-tests/run "${c_tests[@]}"
    done
    local across=(across::from)
    # It takes ten minutes for each architecture.
    [ "${WAYFARER_TEST_CROSS:-}" != full ] || across=(across::)
    suite across "${sample[@]}" WAYFARER_TEST_STATIONS="$stations" \
        WAYFARER_TEST_WAMRC="$target/release/wamrc" WAYFARER_TEST_COMPILED="$cross/compiled" \
        cargo test --release --workspace --test everywhere -- --ignored "${across[@]}"
}
