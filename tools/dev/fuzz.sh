# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev fuzz [target] [seconds]

Builds the fuzz targets (preset fuzz) and runs each, or the one named, for 30 seconds or as many as said. The seeds are
fuzz/corpus/<target>; what is found beyond them is kept in build/fuzz/corpus/<target>, a crashing input in
build/fuzz/crashes. To run one again: build/fuzz/fuzz/<target> <file>.
TEXT
}

main() {
  local target=${1:-} seconds=${2:-30} failed=0
  if [[ $target =~ ^[0-9]+$ ]]; then
    seconds=$target
    target=""
  fi
  [[ $seconds =~ ^[0-9]+$ ]] || fail "'$seconds' is not a number of seconds" "./dev fuzz [target] [seconds]"
  [[ -f fuzz/CMakeLists.txt ]] || fail "there is no folder fuzz in this tree" "a complete clone has one"
  need build sanitize
  configure fuzz
  ninja -C build/fuzz build.ninja </dev/null >&2
  local -a targets
  mapfile -t targets < <(programs_in fuzz fuzz)
  if [[ -n $target ]]; then
    [[ " ${targets[*]} " == *" $target "* ]] || fail "no fuzz target '$target'" "one of: ${targets[*]}"
    targets=("$target")
  fi
  build fuzz "${targets[@]/#/fuzz/}" || fail "the fuzz targets do not build" "see the compiler's words above"
  for target in "${targets[@]}"; do
    step "fuzzing $target for $seconds s"
    run_target "$target" "$seconds" || failed=$((failed + 1))
  done
  echo "${#targets[@]} targets, $failed with findings"
  ((failed == 0)) || fail "inputs that crash are in build/fuzz/crashes" "build/fuzz/fuzz/<target> <file> shows the stack"
}

run_target() {
  local target=$1 seconds=$2
  local found=build/fuzz/corpus/$target seeds=fuzz/corpus/$target log=build/fuzz/$target.log
  local -a options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
    -artifact_prefix="build/fuzz/crashes/$target-")
  mkdir -p "$found" build/fuzz/crashes
  [[ -f fuzz/$target.dict ]] && options+=(-dict="fuzz/$target.dict")
  local -a corpora=("$found")
  [[ -d $seeds ]] && corpora+=("$seeds")
  if ! ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19 \
    "build/fuzz/fuzz/$target" "${options[@]}" "${corpora[@]}" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    return 1
  fi
  sed -n 's/^stat::number_of_executed_units: */  inputs run: /p; s/^stat::new_units_added: */  new inputs: /p' "$log"
}
