# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev run [arguments of the market]

Builds the market (the reference system, examples/market) optimised, and starts it. It prints what to try; Ctrl-C
drains and ends it, a second Ctrl-C ends it at once.

  ./dev run -- --help                                     the market's own settings
  ./dev run --users.database=sqlite:users.db              users that outlive it
  ./dev run --messaging.broker=amqp://weft:weft@127.0.0.1:24672/
                                                          events by RabbitMQ, once ./dev services start rabbitmq ran
TEXT
}

main() {
  [[ ${1:-} == -- ]] && shift
  configure release
  build release market || fail "the market does not build" "see the compiler's words above"
  local program
  program=$(ninja -C build/release -t query market </dev/null | awk '/^  input:/ { getline; print $NF; exit }')
  [[ -x build/release/$program ]] || fail "build/release has no program market" "rm -r build/release, then repeat"
  step "starting build/release/$program"
  exec "build/release/$program" "$@"
}
