#!/usr/bin/env bash
# What is known against our dependencies: advisories, licences, bans, sources, for the workspace and for the fuzz targets.
#
#   0  nothing is known against any of them
#   1  something is: it is printed above
#   2  nothing was found, but the database of advisories could not be reached: whether there are any is NOT known
#
# HALO_ADVISORIES=URL takes another copy of the database (a mirror inside your network).
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

# Every lock file of its own. There is nothing but cargo here: no npm, no pip.
manifests=(Cargo.toml fuzz/Cargo.toml)
settings=deny.toml

if [ -n "${HALO_ADVISORIES:-}" ]; then
    settings=$(mktemp)
    trap 'rm -f "$settings"' EXIT
    sed "s|^db-urls = .*|db-urls = [\"$HALO_ADVISORIES\"]|" deny.toml > "$settings"
    grep -qF "$HALO_ADVISORIES" "$settings"
fi
deny=(cargo deny --locked --log-level error --config "$settings")

bad=0
say "licences, bans, sources"
"${deny[@]}" check bans licenses sources || bad=1

reached=yes
timeout "${HALO_ADVISORIES_WITHIN:-120}" "${deny[@]}" fetch db 2>/dev/null || reached=no
if [ $reached = yes ]; then
    for manifest in "${manifests[@]}"; do
        say "advisories against what $manifest locks"
        "${deny[@]}" --manifest-path "$manifest" check advisories || bad=1
    done
fi
[ $bad = 0 ] || exit 1
if [ $reached = no ]; then
    say "NOT CHECKED: the database of advisories can't be reached from here. That no advisory is shown means nothing. Run ./x audit where
   https://github.com/RustSec/advisory-db can be reached, or name a mirror: HALO_ADVISORIES=URL ./x audit"
    exit 2
fi
say "nothing is known against any dependency"
