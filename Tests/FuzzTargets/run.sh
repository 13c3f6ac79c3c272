#!/usr/bin/env bash
# Fuzzes one parser after the other, or replays one input. What a run has learned is kept below .build-fuzz/corpus for the next.
#   run.sh all|NAME SECONDS [INPUT]
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$1 seconds=$2 input=${3:-}
program=.build-fuzz/release/FuzzTargets
# Without the first, a crash is followed by minutes of symbol search; the second is about what the program leaves at its end.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0

if [ -n "$input" ]; then exec "$program" "$target" -timeout=10 "$input"; fi

names=$target
[ "$target" != all ] || names=$("$program" list)
found=0
for name in $names; do
  corpus=.build-fuzz/corpus/$name
  mkdir -p "$corpus" .build-fuzz/findings
  "$program" seeds "$name" "$corpus"
  log=.build-fuzz/$name.log
  echo "$name: $seconds s"
  if "$program" "$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -dict="$corpus.words" \
    -artifact_prefix=".build-fuzz/findings/$name-" -print_final_stats=1 "$corpus" >"$log" 2>&1; then
    awk '/^stat::number_of_executed_units/ {print "  nothing found in " $2 " runs"}' "$log"
  else
    found=1
    grep -aE "^The property|ERROR: (libFuzzer|AddressSanitizer)|^Fatal error|SUMMARY" "$log" | head -5 | sed 's/^/  /'
    file=$(sed -n 's/^.*Test unit written to \(.*\)$/\1/p' "$log" | head -1)
    echo "  FOUND; again: make fuzz TARGET=$name INPUT=${file:-?} (log: $log)"
  fi
done
exit "$found"
