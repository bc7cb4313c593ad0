#!/usr/bin/env bash
# Builds Link's Windows programs and their installer on Debian.
#
#   tools/windows.sh              programs and installer for tests, into target/windows/packages
#   tools/windows.sh --release    the same as practices get them, into target/windows/release-packages (HALO_SIGN_CERT and
#                                 HALO_SIGN_KEY sign them, HALO_CLOUD_URL and HALO_CLOUD_ENVIRONMENT say where Halo Cloud is and whose: tools/windows-*.sh)
#
# `./x windows` then runs them under Wine.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh
if ! command -v apt-get >/dev/null; then
    say "skipped: the Windows programs are built with Debian's rustc-web, rust-web-src and mingw-w64, and there is no apt-get here"
    exit 0
fi
. tools/windows-env.sh
need_apt wixl msitools osslsigncode openssl

profile=windows packages=$windows_folder/packages
if [ "${1:-}" = --release ]; then
    profile=release packages=$windows_folder/release-packages
fi
say "Windows programs ($profile)"
windows_cargo build --profile $profile -p halo-link --bins

version=$(sed -n 's/^pub const VERSION: &str = "\(.*\)";$/\1/p' crates/agent/src/host.rs)
built=$windows_folder/$windows_target/$profile
rm -rf "$packages"
mkdir -p "$packages/programs"
for program in HaloLinkService HaloLinkUtility updater; do
    [ ! -f "$built/$program.exe" ] || cp "$built/$program.exe" "$packages/programs/"
done
say "signatures and installer"
if [ $profile = windows ]; then
    export HALO_FOR_WINE=1
else
    x86_64-w64-mingw32-strip "$packages"/programs/*.exe
fi
tools/windows-sign.sh "$packages"/programs/*.exe
tools/windows-msi.sh "$packages/programs" "$version" "$packages/HaloLink-$version.msi"
if [ $profile = windows ]; then
    # For the tests of upgrade and update: the same programs in installers of another number.
    tools/windows-msi.sh "$packages/programs" "${version%%.*}.101.1" "$packages/HaloLink-older.msi"
    tools/windows-msi.sh "$packages/programs" "${version%.*}.999" "$packages/HaloLink-newer.msi"
    cp "${HALO_SIGN_CERT:-$windows_folder/test-signing/cert.pem}" "$packages/publisher.pem"
    x86_64-w64-mingw32-gcc -O2 -s -shared -o "$packages/bcryptprimitives.dll" windows/wine/bcryptprimitives.c -ladvapi32
fi
ls -l "$packages" >&2
