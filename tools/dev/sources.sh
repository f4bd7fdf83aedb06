# shellcheck shell=bash
# The repository's own files, committed or not yet; never what .gitignore names.

# all_sources <glob>...
all_sources() { git ls-files --cached --others --exclude-standard -- "$@" | existing_files; }

# Those that differ from the main branch's state, or, on it, from the last commit.
changed_sources() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || git rev-parse HEAD)
  {
    git diff --name-only --diff-filter=d "$base" -- "$@"
    git ls-files --others --exclude-standard -- "$@"
  } | sort -u | existing_files
}

existing_files() {
  local file
  while read -r file; do [[ -f $file ]] && echo "$file"; done
  return 0
}
