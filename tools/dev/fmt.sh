# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev fmt [--check] [file]...

Formats the C++ files, or those named, as .clang-format says. --check changes nothing: it names each line that
differs and fails if there is one.
TEXT
}

main() {
  # shellcheck source=tools/dev/sources.sh
  source tools/dev/sources.sh
  local -a files=() mode=(-i)
  while (($#)); do
    case $1 in
      --check) mode=(--dry-run -Werror) ;;
      -*) fail "no option '$1'" "./dev fmt --help" ;;
      *) files+=("$1") ;;
    esac
    shift
  done
  need format
  ((${#files[@]})) || mapfile -t files < <(all_sources '*.cpp' '*.hpp' '*.h')
  ((${#files[@]})) || return 0
  printf '%s\0' "${files[@]}" | xargs -0 -P "$(jobs_count)" -n 16 clang-format-19 "${mode[@]}" 2>&1 |
    { sed -n 's/^\([^:]*:[0-9]*\):.*clang-format-violations.*/\1: not formatted/p; t; /^[^ ].*error/p' | sort -u -V; } ||
    fail "not formatted as .clang-format says" "./dev fmt"
  step "${#files[@]} files: formatted"
}
