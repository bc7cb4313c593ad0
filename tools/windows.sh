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
built=$windows_folder/$windows_target/$profile
# build FOLDER: builds the programs and copies them there.
build() {
    windows_cargo build --profile $profile -p halo-link --bins
    mkdir -p "$1"
    cp "$built"/{HaloLinkService,HaloLinkUtility,updater}.exe "$1/"
}
say "Windows programs ($profile)"
rm -rf "$packages"
build "$packages/programs"
version=$(said_version "$packages/programs/HaloLinkUtility.exe")
say "signatures and installer"
if [ $profile = windows ]; then
    export HALO_FOR_WINE=1
    made_of=$(cat "$packages"/programs/*.exe | sha256sum)
else
    x86_64-w64-mingw32-strip "$packages"/programs/*.exe
fi
tools/windows-sign.sh "$packages"/programs/*.exe
tools/windows-msi.sh "$packages/programs" "$version" "$packages/HaloLink-$version.msi"
if [ $profile = windows ]; then
    # For the tests of upgrade and update: the same sources as other versions. They are built again when those have changed, and then only
    # what knows the version.
    for other in older=${version%%.*}.101.1 newer=${version%.*}.999; do
        name=${other%=*} number=${other#*=} programs=$windows_folder/as-${other%=*}
        if [ "$(cat "$programs/made-of" 2>/dev/null)" != "$made_of $number" ]; then
            say "Windows programs as version $number"
            rm -rf "$programs"
            HALO_LINK_VERSION=$number build "$programs"
            tools/windows-sign.sh "$programs"/*.exe
            echo "$made_of $number" > "$programs/made-of"
        fi
        tools/windows-msi.sh "$programs" "$number" "$packages/HaloLink-$name.msi"
    done
    cp "${HALO_SIGN_CERT:-$windows_folder/test-signing/cert.pem}" "$packages/publisher.pem"
    x86_64-w64-mingw32-gcc -O2 -s -shared -o "$packages/bcryptprimitives.dll" windows/wine/bcryptprimitives.c -ladvapi32
fi
ls -l "$packages" >&2
