#!/usr/bin/env bash
# Fuzzes the parsers that meet the network: all of them for a minute each, or the one that is named, with its options.
#   ./x fuzz                      every target, 60 s each (SECONDS_EACH=10 for less)
#   ./x fuzz control              one target, until it finds something or Ctrl-C
#   ./x fuzz control -runs=1000   libFuzzer's own options follow
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh
# The sanitizer needs flags that the stable compiler keeps back; only this step uses them.
export RUSTC_BOOTSTRAP=1
fuzz() {
    local target=$1 found
    shift
    # What is found goes to a folder that git ignores; move what is worth keeping to fuzz/corpus by hand.
    found=fuzz/artifacts/corpus/$target
    mkdir -p "$found"
    say "fuzzing $target"
    cargo fuzz run "$target" "$found" "fuzz/corpus/$target" -- -rss_limit_mb=1024 "$@"
}
if [ $# -gt 0 ]; then
    fuzz "$@"
else
    for file in fuzz/fuzz_targets/*.rs; do
        fuzz "$(basename "$file" .rs)" -max_total_time="${SECONDS_EACH:-60}" -print_final_stats=1
    done
fi
