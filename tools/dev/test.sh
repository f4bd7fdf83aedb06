# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev test [--preset dev|release|asan|tsan] [--filter regex] [arguments of ctest]

Builds and runs the tests. --filter takes those whose ctest name matches, and builds only what they need:
  ./dev test --filter json                            one module
  GTEST_FILTER='*uuid*' ./dev test --filter base      one case
  ./dev test --preset tsan --filter runtime           under the thread sanitizer
The last line counts test cases: `N passed, N failed`, and skipped ones if there are any. With CI=true a test that
lacks its server fails instead of being skipped.
TEXT
}

# Without a result to count, the last line still says how it ended.
not_run() {
  printf './dev test: %s\n  remedy: %s\n' "$1" "$2" >&2
  echo "0 passed, 1 failed"
  exit 1
}

main() {
  local preset=dev filter=""
  local -a extra=() targets=()
  while (($#)); do
    case $1 in
      --preset) preset=${2:?--preset needs a name} && shift ;;
      --preset=*) preset=${1#*=} ;;
      --filter) filter=${2:?--filter needs a regular expression} && shift ;;
      --filter=*) filter=${1#*=} ;;
      --) ;;
      *) extra+=("$1") ;;
    esac
    shift
  done
  check_preset "$preset"
  [[ $preset == fuzz ]] && fail "the preset fuzz has no tests" "./dev fuzz"

  need build test sanitize
  configure "$preset"
  [[ -n $filter ]] && extra+=(--tests-regex "$filter")
  local folder=build/$preset
  # ninja runs cmake again here when a CMakeLists.txt or a globbed folder changed, so that the list of tests is true.
  ninja -C "$folder" build.ninja </dev/null >"$folder/configure.log" 2>&1 || {
    tail -n 30 "$folder/configure.log" >&2
    not_run "cmake could not configure the preset $preset" "see above"
  }
  if [[ -n $filter ]]; then
    mapfile -t targets < <(python3 tools/dev/test_results.py targets "$folder" "${extra[@]}")
    ((${#targets[@]})) || not_run "no test matches '$filter'" "ctest --test-dir $folder -N lists the names"
  fi
  if [[ ${targets[*]} != none ]]; then
    [[ ${targets[*]} == all ]] && targets=()
    build "$preset" "${targets[@]}" || not_run "the build failed" "see the compiler's words above"
  fi

  step "testing in $folder"
  rm -rf "$folder/test-reports" "$folder/ctest.xml"
  mkdir -p "$folder/test-reports"
  local status=0
  sanitizer_environment
  ctest --test-dir "$folder" --parallel "$(jobs_count)" --output-on-failure --no-tests=error \
    --output-junit ctest.xml "${extra[@]}" </dev/null || status=$?
  step "done"
  python3 tools/dev/test_results.py count "$folder" "$status"
}

sanitizer_environment() {
  export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
  export TSAN_OPTIONS=${TSAN_OPTIONS:-external_symbolizer_path=$ASAN_SYMBOLIZER_PATH}
}
