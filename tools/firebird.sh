#!/usr/bin/env bash
# Makes a Firebird 3 server available to tests. They start processes of their own from its files, on free ports of this
# machine; the service that the package brings is neither needed nor started.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh
if command -v apt-get >/dev/null; then
    # A policy that keeps the package from starting its service on port 3050.
    if [ ! -e /usr/sbin/policy-rc.d ] && [ ! -x /usr/sbin/firebird ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod +x /usr/sbin/policy-rc.d
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    need_apt firebird3.0-server
else
    say "no apt-get here: tests of crates/firebird are skipped unless Firebird 3 is installed"
fi
