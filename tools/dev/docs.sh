# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev docs [--fix]

Checks every Markdown file: relative links lead somewhere, and snippets equal the regions of the files they come from
(tools/docs/check.py says how a snippet is marked). --fix rewrites the snippets.
TEXT
}

main() {
  need build
  python3 tools/docs/check.py "$@" || fail "the documentation is not right" "see above; ./dev docs --fix rewrites snippets"
  echo "read:"
  local file
  for file in README.md docs/*.md modules/*/README.md docs/decisions/*.md; do
    [[ -f $file ]] && printf '  %-40s %s\n' "$file" "$(sed -n 's/^# *//p' "$file" | head -n 1)"
  done
  return 0
}
