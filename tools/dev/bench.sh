# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev bench [name] [arguments of the benchmark]

Without a name: lists the benchmarks and runs them all, except build and against. With one: runs tools/bench/<name>.sh, or the
program build/release/bench/<name>. They are built with the preset release; docs/benchmarks.md explains the figures.

  ./dev bench build [preset]   builds everything from nothing, taking nothing from ccache, and prints the seconds and the ten
                               slowest translation units (preset dev unless named; in build/bench-build)
  ./dev bench against <commit> [rounds, 5] [name]...
                               this tree beside that commit (built in build/against), taking turns: http, http_client,
                               resilience, messaging_memory; CPU per operation and the ratio
TEXT
}

main() {
  local name=${1:-}
  if [[ $name == build ]]; then
    clean_build "${2:-dev}"
    return
  fi
  if [[ $name == against ]]; then
    shift
    against "$@"
    return
  fi
  need build bench
  configure release
  ninja -C build/release build.ninja </dev/null >&2
  local -a names
  mapfile -t names < <(benchmark_names)
  if [[ -n $name ]]; then
    [[ " ${names[*]} " == *" $name "* ]] || fail "no benchmark '$name'" "one of: ${names[*]} build"
    shift
    build_benchmarks
    run_benchmark "$name" "$@"
    return
  fi
  echo "benchmarks: ${names[*]:-none} (and build, which is not part of all)"
  ((${#names[@]})) || return 0
  build_benchmarks
  for name in "${names[@]}"; do run_benchmark "$name"; done
}

benchmark_names() {
  {
    programs_in release bench
    find tools/bench -maxdepth 1 -name '*.sh' -printf '%f\n' 2>/dev/null | sed 's/\.sh$//'
  } | sort -u
}

build_benchmarks() { build release bench/all || fail "the benchmarks do not build" "see the compiler's words above"; }

run_benchmark() {
  local name=$1
  shift
  step "benchmark $name"
  if [[ -f tools/bench/$name.sh ]]; then
    WEFT_BUILD=$PWD/build/release bash "tools/bench/$name.sh" "$@" </dev/null
  else
    "build/release/bench/$name" "$@" </dev/null
  fi
}

against() {
  local commit=${1:-}
  local folder=$PWD/build/against
  git rev-parse -q --verify "$commit^{commit}" >/dev/null || fail "no commit '$commit'" "./dev bench --help"
  shift
  need build bench
  if [[ -e $folder/.git ]]; then
    git -C "$folder" checkout -q --detach "$commit" || fail "build/against holds changes" "git worktree remove --force build/against"
  else
    git worktree prune
    git worktree add -q --detach "$folder" "$commit"
  fi
  local -a targets=(bench/http_server bench/http_client bench/resilience bench/messaging_memory)
  configure release
  build release "${targets[@]}" || fail "the benchmarks do not build" "see the compiler's words above"
  (cd "$folder" && configure release && build release "${targets[@]}") ||
    fail "the benchmarks of $commit do not build" "see the compiler's words above"
  python3 tools/bench/against.py "$folder/build/release" build/release "$@"
}

clean_build() {
  local preset=$1
  local folder=build/bench-build
  local -a options=(-DWEFT_EXAMPLES=ON)
  check_preset "$preset"
  need build
  [[ -f bench/CMakeLists.txt ]] && options+=(-DWEFT_BENCH=ON)
  rm -rf "$folder"
  mkdir -p "$folder"
  # compiles every unit, and leaves the results for the builds that follow
  export CCACHE_RECACHE=1
  step "configuring $folder as $preset"
  cmake --preset "$preset" -B "$folder" "${options[@]}" >"$folder/configure.log" 2>&1 </dev/null || {
    tail -n 30 "$folder/configure.log" >&2
    fail "cmake could not configure" "see above"
  }
  local begin=$EPOCHREALTIME
  NINJA_STATUS='[%f/%t] ' ninja -C "$folder" </dev/null >&2 || fail "the build failed" "see the compiler's words above"
  python3 tools/dev/build_times.py "$folder/.ninja_log" "$begin" "$EPOCHREALTIME"
}
