# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev setup [preset]

Installs the packages that building and testing need, and configures build/<preset> (dev when none is named).
Presets: dev, release, asan, tsan, fuzz (CMakePresets.json).

The packages come through apt-get as root or with sudo; the services that some of them bring are not started.
TEXT
}

main() {
  local preset=${1:-dev}
  check_preset "$preset"
  need build test sanitize
  configure "$preset"
  step "ready: ./dev test, ./dev run"
}
