#!/usr/bin/env bash
# windows-sign.sh FILE...: signs programs and installers (Authenticode, SHA-256), each in its place.
#
#   HALO_SIGN_CERT, HALO_SIGN_KEY   PEM files of the publisher's certificate (with its chain) and key
#   HALO_SIGN_TIMESTAMP             URL of a timestamp server (RFC 3161): signatures then outlive the certificate
#
# Without a certificate a self-made one signs: it proves that signing works, and nobody should trust it.
set -euo pipefail
. "$(dirname "$0")/setup.sh"
need_apt osslsigncode openssl
cert=${HALO_SIGN_CERT:-} key=${HALO_SIGN_KEY:-}
if [ -z "$cert" ]; then
    made=${HALO_SIGN_TEST_FOLDER:-target/windows/test-signing}
    cert=$made/cert.pem key=$made/key.pem
    if [ ! -f "$cert" ]; then
        mkdir -p "$made"
        openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=Halo Link test signing, trust it nowhere" \
            -addext extendedKeyUsage=codeSigning -keyout "$key" -out "$cert" 2>/dev/null
    fi
    say "signing with a certificate of our own: for tests only (HALO_SIGN_CERT and HALO_SIGN_KEY name a real one)"
fi
timestamp=()
[ -z "${HALO_SIGN_TIMESTAMP:-}" ] || timestamp=(-ts "$HALO_SIGN_TIMESTAMP")
for file in "$@"; do
    covered=()
    # An MSI's signature covers the names and sizes of its parts only when it says so (MsiDigitalSignatureEx); the updater takes no other.
    case $file in *.msi) covered=(-add-msi-dse) ;; esac
    osslsigncode sign -certs "$cert" -key "$key" -h sha256 -n "Halo Link" "${timestamp[@]}" "${covered[@]}" -in "$file" -out "$file.signed" >/dev/null
    mv "$file.signed" "$file"
done
