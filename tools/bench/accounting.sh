# shellcheck shell=bash
# ./dev bench accounting [messages, 1048576] [seed]: so many messages through RabbitMQ and through sqlite: while
# connections are cut, the broker restarts and processes are killed; what became of each (tests/system/accounting).
set -euo pipefail

messages=${1:-1048576}
build=${WEFT_BUILD:-build/release}
[[ $build == /* ]] || build=$PWD/$build
ninja -C "$build" accounting tcp_proxy </dev/null >&2

# A server of its own: it is restarted and its connections are closed.
export WEFT_SERVICES=$build/bench/accounting WEFT_RABBITMQ_PORT=${WEFT_RABBITMQ_PORT:-25172}
./dev services start rabbitmq >&2
trap './dev services stop rabbitmq >&2' EXIT
declare -A rates=([rabbitmq]=4000 [sqlite]=1100)  # what sqlite: has not handed out yet is read back after each kill
for backend in rabbitmq sqlite; do
  python3 tests/system/accounting/accounting.py "$backend" --program "$build/tests/system/accounting/accounting" \
    --proxy "$build/tests/system/faults/tcp_proxy" --folder "$build/bench/accounting/books" --messages "$messages" \
    --pause 2 8 --rate "${rates[$backend]}" --limit 7200 ${2:+--seed "$2"}
done
