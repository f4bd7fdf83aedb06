# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev tidy [--all | file...]

Runs clang-tidy (.clang-tidy has the chosen checks) on the C++ sources that differ from the main branch, on all, or on
those named, and shellcheck on the shell scripts. Findings about coroutines and scripts are errors; others are warnings.
TEXT
}

main() {
  # shellcheck source=tools/dev/sources.sh
  source tools/dev/sources.sh
  local -a files=()
  local scope=changed_sources
  while (($#)); do
    case $1 in
      --all) scope=all_sources ;;
      -*) fail "no option '$1'" "./dev tidy --help" ;;
      *) files+=("$1") ;;
    esac
    shift
  done
  need build tidy
  local -a scripts sources=()
  if ((${#files[@]})); then
    mapfile -t scripts < <(printf '%s\n' "${files[@]}" | grep -E '(\.sh|^dev|\.ci/run)$' || true)
    mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep -E '\.cpp$' || true)
  else
    mapfile -t scripts < <(all_sources dev .ci/run '*.sh')
    mapfile -t sources < <($scope 'modules/*.cpp' 'apps/*.cpp' 'examples/*.cpp')
  fi
  local failed=0
  if ((${#scripts[@]})); then
    step "shellcheck on ${#scripts[@]} scripts"
    shellcheck -x "${scripts[@]}" || failed=1
  fi
  if ((${#sources[@]})); then tidy_sources "${sources[@]}" || failed=1; fi
  ((failed == 0)) || fail "there are findings" "see above; a false one is silenced by NOLINT(check) with its reason"
  step "no errors, ${warnings:-0} warnings"
}

tidy_sources() {
  configure dev
  # Tests are compiled with a precompiled header, which clang-tidy reads as well.
  if [[ -z $(find build/dev -name '*.pch' -path '*weft_test_pch*' -print -quit) ]]; then
    build dev weft_test_pch || fail "the precompiled header of the tests does not build" "see above"
  fi
  local -a known
  mapfile -t known < <(python3 -c '
import json, os, sys
known = {os.path.realpath(each["file"]) for each in json.load(open("build/dev/compile_commands.json"))}
print("\n".join(file for file in sys.argv[1:] if os.path.realpath(file) in known))' "$@" | sed '/^$/d')
  ((${#known[@]})) || return 0
  step "clang-tidy on ${#known[@]} files"
  local log=build/tidy.log status=0
  printf '%s\0' "${known[@]}" | xargs -0 -P "$(jobs_count)" -n 1 clang-tidy-19 -p build/dev --quiet 2>/dev/null |
    tee "$log" || status=1
  # A header's finding is repeated for each source that includes it.
  warnings=$(grep -E '^[^ ].* warning: ' "$log" | sort -u | wc -l)
  return $status
}
