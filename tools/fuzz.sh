#!/usr/bin/env bash
# Fuzzes one parser, or each in turn, for FUZZ_SECONDS (default 60) each. Needs cargo-fuzz.
# The sanitizer's flags are unstable: RUSTC_BOOTSTRAP lets the stable compiler take them, for this build alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
# New inputs go to a scratch folder, not into the committed corpus: pick what is worth keeping by hand.
for target in "${targets[@]}"; do
    if [ ! -f "fuzz/fuzz_targets/$target.rs" ]; then
        echo "There is no fuzz target \"$target\"; see fuzz/fuzz_targets/." >&2
        exit 2
    fi
    printf '== fuzzing %s for %s s\n' "$target" "${FUZZ_SECONDS:-60}" >&2
    mkdir -p "fuzz/target/found/$target"
    cargo fuzz run "$target" "fuzz/target/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536 -rss_limit_mb=1024 -timeout=10
done
