# How cargo builds for Windows on Debian: its own compiler (the standard library's sources are there for it) and mingw-w64. Sourced.
. tools/setup.sh
need_apt rustc-web rust-web-src gcc-mingw-w64-x86-64-win32

windows_target=x86_64-pc-windows-gnu
windows_folder=target/windows
RUSTC=/usr/bin/rustc
CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
# Without a timestamp the same sources give the same bytes.
CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS="--sysroot $(tools/windows-sysroot.sh) -C link-arg=-Wl,--no-insert-timestamp"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS

# windows_cargo ARGUMENTS...: cargo with all that; a folder of its own, because the other compiler would throw away what rustup's built.
windows_cargo() {
    local command=$1
    shift
    RUSTC=$RUSTC cargo "$command" --locked --target "$windows_target" --target-dir "$windows_folder" "$@"
}
