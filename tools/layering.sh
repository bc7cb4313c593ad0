#!/usr/bin/env bash
# Arrows only point down, and the relay can reach neither Link's contract nor the gateway: it could not read
# what passes even if it wanted to. Looks at the real dependency graph, all features, no dev-dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

reach() { cargo tree --locked --offline --edges normal,build --all-features --prefix none --package "$1" | awk '{print $1}' | sort -u; }

forbid() {
    local room=$1 found
    shift
    for below in "$@"; do
        # Not a pipe into grep -q: that would hide a failing cargo tree.
        found=$(reach "$room")
        if grep -qx "$below" <<<"$found"; then
            echo "layering: $room must not reach $below" >&2
            exit 1
        fi
    done
}

rooms="model crash machine trust audit tunnel link-api relay database directory practice mssql firebird update spool agent doctor webhook gateway"
forbid relay link-api gateway agent database practice directory
forbid halo-cloud link-api gateway agent database practice
forbid tunnel link-api relay database agent gateway directory
forbid link-api trust tunnel relay database agent gateway directory
forbid database trust tunnel link-api relay agent gateway directory
forbid tds trust tunnel link-api relay agent gateway directory
forbid practice trust tunnel link-api relay agent gateway directory
forbid update link-api relay database practice mssql firebird agent gateway directory machine
# A leaf: it knows neither rows nor jobs.
forbid spool trust tunnel link-api relay database agent gateway directory machine
forbid directory link-api database agent gateway
forbid agent gateway relay directory practice mssql doctor
forbid doctor gateway relay directory practice mssql firebird
forbid gateway agent relay directory database practice mssql
forbid webhook trust tunnel link-api relay database practice agent gateway directory
forbid trust tunnel link-api relay database agent gateway directory webhook
# What a receipt is, anybody may check who has it; nothing of rows and jobs is in it.
forbid audit tunnel link-api relay database agent gateway directory machine webhook
forbid trust audit
forbid relay webhook
forbid agent webhook
for room in $rooms; do
    [ "$room" = model ] || forbid model "$room"
    [ "$room" = crash ] || forbid crash "$room"
    # Beside `model`: nothing is below it.
    [ "$room" = machine ] || forbid machine "$room"
    # The test kits stay out of everything that ships.
    forbid "$room" lab replay tds conformance
done
for program in halo-cloud halo-link halo-gateway; do
    forbid "$program" lab replay tds conformance
done
# Engines stay at the site: whoever can't have a database login needs no driver.
for program in halo-cloud halo-gateway; do
    forbid "$program" spool mssql firebird practice mssql-tds native-tls
done
# Keys in hardware are a vendor's: only `halo` loads a library of somebody else's.
for program in halo-cloud halo-link halo-gateway; do
    forbid "$program" cryptoki
done
forbid mssql trust tunnel link-api relay agent gateway directory practice tds
forbid firebird trust tunnel link-api relay agent gateway directory practice tds
forbid agent mssql firebird
# Not even the server for tests may reach its tests' own clients.
forbid tds mssql-tds tiberius
