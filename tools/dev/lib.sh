# shellcheck shell=bash
# What the verbs of ./dev share: progress, failure with a remedy, Debian packages, configuring and building a preset.
# Sourced with the repository's root as working directory.

# What was done, with the seconds since ./dev began. Progress goes to standard error; results to standard output.
step() { printf '[%4d s] %s\n' "$SECONDS" "$*" >&2; }

# fail <what is wrong> [<remedy>]
fail() {
  printf './dev: %s\n' "$1" >&2
  [[ -n ${2:-} ]] && printf '  remedy: %s\n' "$2" >&2
  exit 1
}

jobs_count() { nproc; }

# ---- Debian packages -------------------------------------------------------------------------------------------------

# The entries of the named groups in tools/packages.txt, one a line.
packages_of() {
  awk -v groups=" $* " '/^[a-z]+:/ { group = $1; sub(/:$/, "", group)
    if (index(groups, " " group " ")) for (i = 2; i <= NF; ++i) if (!seen[$i]++) print $i }' tools/packages.txt
}

# Sets `missing` to the packages among the named groups that are not installed.
find_missing_packages() {
  local -A installed=()
  local -a entries
  local entry package name
  mapfile -t entries < <(packages_of "$@")
  missing=()
  while read -r package name; do
    [[ $name == installed ]] && installed[$package]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${entries[@]%%=*}" 2>/dev/null)
  for entry in "${entries[@]}"; do
    package=${entry%%=*}
    [[ -n ${installed[$package]:-} ]] && continue
    [[ $entry == *=* ]] && command -v "${entry#*=}" >/dev/null && continue
    missing+=("$package")
  done
}

# need <group>...: installs what is missing of these groups; returns at once when nothing is.
need() {
  local -a missing=()
  if ! command -v dpkg-query >/dev/null; then
    step "not a Debian system: expecting the equivalents of '$*' in tools/packages.txt to be there"
    return
  fi
  find_missing_packages "$@"
  if ((${#missing[@]} == 0)); then return; fi
  install_packages "${missing[@]}"
}

# Sets `as_root` to the command words that run something with the rights of root.
find_root() {
  local packages=$1
  as_root=(env)
  if ((EUID == 0)); then return; fi
  if ! command -v sudo >/dev/null; then
    fail "packages are missing, and this is neither root nor is there sudo: $packages" \
      "as root: apt-get install --no-install-recommends $packages"
  fi
  as_root=(sudo env)
  if ! sudo -n true 2>/dev/null; then
    # sudo would read a password from the terminal; without one it cannot.
    if ! { : </dev/tty; } 2>/dev/null; then
      fail "packages are missing and sudo wants a password, but there is no terminal: $packages" \
        "run once: sudo apt-get install --no-install-recommends $packages"
    fi
    step "sudo may ask for your password to install: $packages"
  fi
  local name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [[ -n ${!name:-} ]] && as_root+=("$name=${!name}")
  done
}

readonly start_guard=/usr/sbin/policy-rc.d

# Debian starts a server as soon as its package is installed, unless this program forbids it.
forbid_service_starts() {
  guard_is_ours=no
  if [[ ! -e $start_guard ]]; then
    printf '#!/bin/sh\n# Written by weft ./dev while it installs packages.\nexit 101\n' |
      "${as_root[@]}" tee $start_guard >/dev/null
    "${as_root[@]}" chmod 755 $start_guard
    guard_is_ours=yes
  fi
}

allow_service_starts() {
  if [[ ${guard_is_ours:-no} == yes ]]; then
    "${as_root[@]}" rm -f $start_guard
    guard_is_ours=no
  fi
}

apt_get() {
  "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    "$@" </dev/null
}

install_packages() {
  local -a as_root
  if ! command -v apt-get >/dev/null; then
    fail "packages are missing and there is no apt-get: $*" "install them, or their equivalents, by hand"
  fi
  find_root "$*"
  step "installing $# packages: $*"
  mkdir -p build
  local log=build/packages.log
  trap allow_service_starts EXIT
  trap 'exit 130' INT TERM
  forbid_service_starts
  if ! apt_get install --no-install-recommends "$@" >"$log" 2>&1; then
    step "that failed; fetching the package lists and trying once more"
    if ! apt_get update >>"$log" 2>&1 || ! apt_get install --no-install-recommends "$@" >>"$log" 2>&1; then
      tail -n 15 "$log" >&2
      explain_install_failure "$log" "$*"
    fi
  fi
  allow_service_starts
  trap - EXIT INT TERM
  step "packages installed"
}

explain_install_failure() {
  local log=$1 packages=$2
  if grep -q -E 'Temporary failure resolving|Could not connect|Failed to fetch|Network is unreachable' "$log"; then
    fail "the package server cannot be reached" "check the network, http_proxy, and the sources in /etc/apt; then repeat"
  fi
  if grep -q -E 'Unable to locate package|has no installation candidate' "$log"; then
    fail "this system's package sources do not have all of: $packages" \
      "weft is built on Debian 12 (bookworm, with its updates and security suites); see tools/packages.txt"
  fi
  fail "apt-get could not install: $packages" "read build/packages.log, repair, repeat"
}

# ---- presets ---------------------------------------------------------------------------------------------------------

# The checks written in Python leave no caches in the source tree.
export PYTHONDONTWRITEBYTECODE=1

readonly presets="dev release asan tsan fuzz"

check_preset() {
  [[ " $presets " == *" $1 "* ]] || fail "no preset '$1'" "one of: $presets"
}

# configure <preset> [cmake argument]...: only when it was not yet, or the presets changed; ninja notices the rest.
configure() {
  local preset=$1
  shift
  need build
  if [[ -f build/$preset/build.ninja && ! CMakePresets.json -nt build/$preset/build.ninja && $# -eq 0 ]]; then return; fi
  step "configuring build/$preset"
  mkdir -p "build/$preset"
  if ! cmake --preset "$preset" "$@" >"build/$preset/configure.log" 2>&1 </dev/null; then
    tail -n 30 "build/$preset/configure.log" >&2
    fail "cmake could not configure the preset $preset" \
      "see above and build/$preset/configure.log; if the folder is from another set-up, remove build/$preset"
  fi
}

# build <preset> [target]...: everything when no target is named. Progress is ninja's.
build() {
  local preset=$1
  shift
  step "building ${*:-everything} in build/$preset"
  NINJA_STATUS='[%f/%t] ' ninja -C "build/$preset" "$@" </dev/null >&2
}

# The programs directly in <preset>'s build folder <folder>, by name.
programs_in() {
  local preset=$1 folder=$2
  ninja -C "build/$preset" -t targets all </dev/null |
    sed -n "s#^$folder/\([A-Za-z0-9_.-]*\): CXX_EXECUTABLE_LINKER.*#\1#p" | sort
}
