# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev shell [preset] [-- command...]

A shell, or one command, with the environment of the build: build/<preset> (dev) and its programs in PATH, the
compilers, ccache's settings, the sanitizers' symbolizer.
TEXT
}

main() {
  local preset=dev
  if [[ -n ${1:-} && $1 != -- ]]; then
    preset=$1
    shift
  fi
  [[ ${1:-} == -- ]] && shift
  check_preset "$preset"
  need build test sanitize
  configure "$preset"
  local folder
  folder=$PWD/build/$preset
  export WEFT_BUILD=$folder CC=clang-19 CXX=clang++-19 CMAKE_GENERATOR=Ninja
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1
  export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
  export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19
  local programs
  programs=$(ninja -C "$folder" -t targets all </dev/null |
    sed -n 's/: CXX_EXECUTABLE_LINKER.*//p' | xargs -r -n 1 dirname | sort -u | sed "s#^#$folder/#" | paste -sd:)
  export PATH=${programs:+$programs:}$PATH
  if (($#)); then exec "$@"; fi
  step "build folder: $folder; leave with exit"
  exec "${SHELL:-/bin/bash}"
}
