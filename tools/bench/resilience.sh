# shellcheck shell=bash
# ./dev bench resilience [rounds]: nanoseconds and allocations per call of each policy, beside opossum and cockatiel.
# The programs take turns, so that what else the machine does meets all of them; medians over the rounds.
set -euo pipefail

rounds=${1:-5}
program=$WEFT_BUILD/bench/resilience
peers=$WEFT_BUILD/bench/resilience_peers
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

have_peers=no
if command -v npm >/dev/null; then
  mkdir -p "$peers"
  cp bench/resilience_peers/package.json "$peers/"
  if [[ -d $peers/node_modules/opossum && -d $peers/node_modules/cockatiel ]] ||
    npm install --prefix "$peers" --no-audit --no-fund --loglevel=error >&2; then
    have_peers=yes
  fi
fi
[[ $have_peers == yes ]] || echo "npm or its registry is not there: without opossum and cockatiel" >&2

for ((round = 1; round <= rounds; ++round)); do
  "$program" --benchmark_min_time=0.05 --benchmark_format=csv 2>"$results/log" |
    grep '^"resilience_' | tr -d '"' >>"$results/ours.csv"
  if [[ $have_peers == yes ]]; then
    (cd "$peers" && node "$OLDPWD/bench/resilience_peers/peers.mjs") >>"$results/peers.txt"
  fi
  printf 'round %d of %d\n' "$round" "$rounds" >&2
done
touch "$results/peers.txt"
python3 tools/bench/resilience_report.py "$results/ours.csv" "$results/peers.txt"
