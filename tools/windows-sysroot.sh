#!/usr/bin/env bash
# Builds the Rust standard library for Windows from Debian's sources, once per compiler version, and prints
# where it is. Debian's compiler is used because its sources are there to build from.
set -euo pipefail
target=x86_64-pc-windows-gnu
rustc=/usr/bin/rustc
cache=${XDG_CACHE_HOME:-$HOME/.cache}/halo-connect
version=$("$rustc" --version | cut -d' ' -f2)
sysroot=$cache/windows-sysroot-$version
lib=$sysroot/lib/rustlib/$target/lib
if [ -f "$lib/.complete" ]; then
    echo "$sysroot"
    exit
fi

echo "building the Windows standard library for rustc $version (about a minute and a half, once)" >&2
mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat > "$work/Cargo.toml" <<TOML
[package]
name = "sysroot"
version = "0.0.0"
edition = "2021"
[profile.release]
debug = 0
TOML
echo '#![no_std]' > "$work/src/lib.rs"
# RUSTC_BOOTSTRAP: building std is an unstable feature; only this step uses it.
env -u RUSTFLAGS RUSTC="$rustc" RUSTC_BOOTSTRAP=1 cargo build --quiet --release --target $target \
    --manifest-path "$work/Cargo.toml" --target-dir "$work/target" \
    -Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test >&2

host=$("$rustc" --version --verbose | sed -n 's/^host: //p')
rm -rf "$sysroot"
mkdir -p "$lib"
cp "$work"/target/$target/release/deps/*.rlib "$lib"/
rm -f "$lib"/libsysroot-*.rlib
ln -s "$("$rustc" --print sysroot)/lib/rustlib/$host" "$sysroot/lib/rustlib/$host"
touch "$lib/.complete"
echo "$sysroot"
