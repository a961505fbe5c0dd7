# Names shared by the scripts of this folder, which source it from the repository's root.

architectures=(aarch64 s390x)
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# Compiler, emulators and all that is built with them.
cross=$target/cross
toolchain=$cross/toolchain

# What is built. Always all of them: the features of their dependencies are those that all of the selected need, and a
# dependency with other features is built again.
crates=(snapshot module runtime wasi libc interp aot loader native native-call)
packages=(-p wayfarer "${crates[@]/#/-pwayfarer-}")

# Fails unless the word is an architecture that is built for.
known() {
    local name
    for name in "${architectures[@]}"; do
        [ "$name" != "$1" ] || return 0
    done
    echo "cross: unknown architecture \"$1\": there are ${architectures[*]}" >&2
    return 1
}

# Names of the test programs of the crates.
test_programs() {
    local crate path name
    for crate in "${crates[@]}"; do
        for path in crates/"$crate"/tests/*.rs crates/"$crate"/tests/*/main.rs; do
            [ -e "$path" ] || continue
            name=${path#crates/"$crate"/tests/}
            name=${name%/main.rs}
            echo "${name%.rs}"
        done
    done
}
