#!/usr/bin/env bash
# Makes sure that there is what it takes to build for other architectures and to run that: C and C++ compilers, which
# are Debian packages and installed; and in cargo's target folder, in cross/toolchain, a Rust compiler with the standard
# library for each of them, and qemu's user mode. Does nothing, quickly, if all is there. Needs privilege only to install.
#
# Compiler and library must be of one version, and rustup is not everywhere: so both are Debian's packages, unpacked but
# not installed. qemu before version 8 keeps a record of each page of reserved address space, for ever: a few hundred
# memories of 8 GiB, and it is out of memory. So that is of the Debian release after the one the rest is tested on.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/again.sh
. scripts/cross/lib.sh

release=trixie # that qemu is taken from
stamp=$toolchain/complete
# What is there is of another time if this script is.
version=$(sha256sum scripts/cross/setup.sh)

missing=()
for arch in "${architectures[@]}"; do
    command -v "$arch-linux-gnu-gcc" >/dev/null || missing+=("gcc-$arch-linux-gnu")
    command -v "$arch-linux-gnu-g++" >/dev/null || missing+=("g++-$arch-linux-gnu")
    [ -e "/usr/$arch-linux-gnu/include/stdio.h" ] || missing+=("libc6-dev-${arch/aarch64/arm64}-cross")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "cross: missing: ${missing[*]}; these are names of Debian packages" >&2
        exit 1
    fi
    echo "cross: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    again apt-get update -qq
    again apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
fi

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$version" ]; then
    exit 0
fi
if [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "cross: this is for x86-64 machines with Debian" >&2
    exit 1
fi
rm -rf "$cross/apt" "$toolchain"
mkdir -p "$toolchain"

# fetch NAME SOURCES ARCHITECTURES COMMAND PACKAGE...: runs apt-get on these packages in a world of its own, in
# cross/apt/NAME, in which neither Rust nor qemu is installed; leaves the packages in archives/ there. Nothing of the
# system's own apt or dpkg is changed.
fetch() {
    local world=$cross/apt/$1 sources=$2 archs=$3
    shift 3
    mkdir -p "$world/lists/partial" "$world/archives/partial"
    awk -v RS= -v ORS='\n\n' '!/^Package: [^\n]*(rust|cargo|qemu)/' /var/lib/dpkg/status >"$world/status"
    {
        echo "Dir::State \"$world\"; Dir::State::status \"$world/status\"; Dir::State::lists \"$world/lists\";"
        echo "Dir::Cache \"$world\"; Dir::Cache::archives \"$world/archives\";"
        echo "APT::Architecture \"amd64\"; APT::Architectures { $archs };"
        echo 'Acquire::Languages "none"; Acquire::Retries "3"; APT::Sandbox::User "root";'
        if [ -n "$sources" ]; then
            echo "$sources" >"$world/sources.list"
            echo "Dir::Etc::sourcelist \"$world/sources.list\"; Dir::Etc::sourceparts \"-\";"
        fi
    } >"$world/apt.conf"
    again env APT_CONFIG="$world/apt.conf" apt-get update -qq
    (cd "$world/archives" && again env APT_CONFIG="$world/apt.conf" apt-get -qq "$@" </dev/null)
}

echo "cross: fetching Rust and qemu into $toolchain"
fetch rust "" '"amd64"; "arm64";' install -y --download-only --no-install-recommends \
    rustc-web cargo-web libstd-rust-web-dev rust-web-src
fetch rust "" '"amd64"; "arm64";' download libstd-rust-web-dev:arm64
for package in "$cross"/apt/rust/archives/*.deb; do
    dpkg -x "$package" "$toolchain"
done
fetch qemu "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" \
    '"amd64";' download qemu-user
for arch in "${architectures[@]}"; do
    dpkg --fsys-tarfile "$cross"/apt/qemu/archives/qemu-user_*.deb | tar x -C "$toolchain" "./usr/bin/qemu-$arch"
done
rm -rf "$cross/apt" "$toolchain/usr/share" "$toolchain"/usr/src/rustc-*/{compiler,src,debian}

# Debian has no Rust for s390x to unpack: its standard library is compiled here.
echo "cross: compiling the standard library for s390x"
std=$cross/std
rm -rf "$std"
mkdir -p "$std"
printf '[package]\nname = "nothing"\nedition = "2024"\n[lib]\npath = "lib.rs"\n[workspace]\n' >"$std/Cargo.toml"
echo '#![no_std]' >"$std/lib.rs"
env LD_LIBRARY_PATH="$toolchain/usr/lib/x86_64-linux-gnu" PATH="$toolchain/usr/bin:$PATH" \
    RUSTC="$toolchain/usr/bin/rustc" RUSTC_BOOTSTRAP=1 CC_s390x_unknown_linux_gnu=s390x-linux-gnu-gcc \
    "$toolchain/usr/bin/cargo" build --quiet --release --manifest-path "$std/Cargo.toml" --target-dir "$std/target" \
    --target s390x-unknown-linux-gnu -Z build-std=std,panic_unwind,test
libraries=$toolchain/usr/lib/rustlib/s390x-unknown-linux-gnu/lib
mkdir -p "$libraries"
cp "$std"/target/s390x-unknown-linux-gnu/release/deps/lib*.rlib "$libraries"
rm -r "$libraries"/libnothing-*.rlib "$std"

echo "$version" >"$stamp"
