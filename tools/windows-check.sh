#!/usr/bin/env bash
# Type-checks Link's crates and programs for Windows, so that work on Linux can't drift away from it.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh
if ! command -v apt-get >/dev/null; then
    say "skipped: the Windows check uses Debian's rustc-web, rust-web-src and mingw-w64, and there is no apt-get here"
    exit 0
fi
need_apt rustc-web rust-web-src gcc-mingw-w64-x86-64-win32
sysroot=$(tools/windows-sysroot.sh)
export RUSTC=/usr/bin/rustc
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS="--sysroot $sysroot"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
# One folder more: the other compiler would throw away what rustup's built.
cargo check --locked --profile windows-check --target x86_64-pc-windows-gnu --target-dir target/windows-check -p halo-link -p agent
