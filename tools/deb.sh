#!/usr/bin/env bash
# Makes the Debian package of Halo Link from built programs, and signs it when a key is named.
#   tools/deb.sh [--programs FOLDER] [--version X.Y.Z] [--out FOLDER] [--sign-certificate PEM --sign-key PEM]
# Programs come from target/release unless a folder is named; a version that is not theirs is refused. Prints the package's path. The signature is beside it, as .deb.sig:
# CMS over the whole file, checked by the updater as docs/updates.md says.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

programs=target/release out=target/deb version='' certificate='' key=''
while [ $# -gt 0 ]; do
    case "$1" in
        --programs) programs=$2 ;;
        --version) version=$2 ;;
        --out) out=$2 ;;
        --sign-certificate) certificate=$2 ;;
        --sign-key) key=$2 ;;
        *) echo "tools/deb.sh: there is no option $1; its first lines say which there are" >&2; exit 2 ;;
    esac
    shift 2
done
for program in HaloLinkService HaloLinkUtility updater; do
    [ -x "$programs/$program" ] || { echo "tools/deb.sh: $programs/$program is missing: build it first (./x deb does)" >&2; exit 1; }
done
[ -n "$version" ] || version=$(said_version "$programs/HaloLinkUtility")
need_version "$version" "$programs"/{HaloLinkService,HaloLinkUtility,updater}
need_apt dpkg-dev openssl
arch=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/halo-link
from=packaging/linux

install -D -m 0755 "$programs/HaloLinkService" "$tree/usr/lib/halo-link/HaloLinkService"
install -D -m 0755 "$programs/updater" "$tree/usr/lib/halo-link/updater"
install -D -m 0755 "$programs/HaloLinkUtility" "$tree/usr/bin/HaloLinkUtility"
strip --strip-unneeded "$tree"/usr/lib/halo-link/* "$tree/usr/bin/HaloLinkUtility"
for unit in halo-link.service halo-link-updater.service halo-link-updater.timer; do
    install -D -m 0644 "$from/$unit" "$tree/usr/lib/systemd/system/$unit"
done
install -D -m 0644 "$from/sysusers.conf" "$tree/usr/lib/sysusers.d/halo-link.conf"
install -D -m 0644 "$from/link.toml.example" "$tree/etc/halo-link/link.toml.example"
install -D -m 0644 docs/site.md "$tree/usr/share/doc/halo-link/site.md"
install -D -m 0644 docs/updates.md "$tree/usr/share/doc/halo-link/updates.md"
cat LICENSE-MIT LICENSE-APACHE > "$work/copyright"
install -D -m 0644 "$work/copyright" "$tree/usr/share/doc/halo-link/copyright"
for script in postinst prerm postrm; do
    install -D -m 0755 "$from/$script" "$tree/DEBIAN/$script"
done
echo /etc/halo-link/link.toml.example > "$tree/DEBIAN/conffiles"

# What the programs need of the system, with versions, as their symbols say.
mkdir -p "$work/debian"
printf 'Source: halo-link\n\nPackage: halo-link\nArchitecture: any\n' > "$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info halo-link/usr/lib/halo-link/* halo-link/usr/bin/* 2>/dev/null |
    sed -n 's/^shlibs:Depends=//p')
cat > "$tree/DEBIAN/control" <<TEXT
Package: halo-link
Version: $version
Architecture: $arch
Maintainer: Halo Connect in Rust <halo-link@example.com>
Section: net
Priority: optional
Installed-Size: $(du -sk "$tree" | cut -f1)
Depends: $depends
Recommends: ca-certificates
Description: agent beside a practice's database
 Connects practice databases on this server to Halo Connect. Opens no inbound
 port, runs each integrator's queries with the integrator's own database login,
 and writes an audit log that belongs to the practice.
TEXT
mkdir -p "$out"
package=$out/halo-link_${version}_$arch.deb
# The same input gives the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)} \
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$package" >&2
rm -f "$package.sig"
if [ -n "$certificate" ]; then
    openssl cms -sign -binary -outform DER -md sha256 -signer "$certificate" -inkey "$key" -in "$package" -out "$package.sig"
fi
echo "$package"
