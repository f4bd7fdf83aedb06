# shellcheck shell=bash
# ./dev bench messaging [rounds] [messages]: RabbitMQ 3.10 through weft, amqplib (npm) and librabbitmq, classic and quorum
# queues, 256-byte persistent messages; then memory: and sqlite:, and how long a message takes to its handler through each
# at half load. The programs take turns, so that what else the machine does meets all of them; messaging.py prints medians
# over the rounds.
set -euo pipefail

rounds=${1:-5}
messages=${2:-50000}
build=${WEFT_BUILD:-build/release}
peers=$build/bench/peers

# A server of the benchmark's own, so that one that somebody uses is left alone.
export WEFT_SERVICES=$PWD/$build/bench/services WEFT_RABBITMQ_PORT=${WEFT_RABBITMQ_PORT:-24872}
[[ $build == /* ]] && WEFT_SERVICES=$build/bench/services
./dev services start rabbitmq >&2
trap './dev services stop rabbitmq >&2' EXIT

programs=("weft=$build/bench/amqp")
[[ -x $build/bench/messaging_amqp ]] && programs+=("weft broker=$build/bench/messaging_amqp")
if [[ -x $build/bench/peers/librabbitmq_peer ]]; then
  programs+=("librabbitmq=$build/bench/peers/librabbitmq_peer")
else
  echo "librabbitmq-dev is not there: without librabbitmq" >&2
fi
mkdir -p "$peers/amqplib"
cp bench/peers/amqplib/package.json bench/peers/amqplib/package-lock.json "$peers/amqplib/"
if command -v npm >/dev/null && { [[ -d $peers/amqplib/node_modules/amqplib ]] ||
  npm ci --prefix "$peers/amqplib" --no-audit --no-fund --loglevel=error >&2; }; then
  programs+=("amqplib=node $PWD/bench/peers/amqplib/amqplib.mjs")
else
  echo "npm or its registry is not there: without amqplib" >&2
fi
python3 tools/bench/messaging.py --url "amqp://weft:weft@127.0.0.1:$WEFT_RABBITMQ_PORT/" --rounds "$rounds" \
  --messages "$messages" --amqplib-folder "$peers/amqplib" --server "$(cut -d ' ' -f 1 "$WEFT_SERVICES/rabbitmq/pid")" \
  "${programs[@]}"
files=$(mktemp -d "$build/bench/messaging.XXXXXX")
trap 'rm -rf "$files"; ./dev services stop rabbitmq >&2' EXIT
if [[ -x $build/bench/messaging_latency ]]; then
  printf '\nfrom publishing to the handler, through a router\n'
  server=amqp://weft:weft@127.0.0.1:$WEFT_RABBITMQ_PORT/
  program=$(realpath "$build/bench/messaging_latency")
  (cd "$files" && "$program" 3 "$rounds" memory: sqlite:latency.db \
    "$server?queues=classic&exchange=weft.bench" "$server?queues=quorum&exchange=weft.bench")
fi
if [[ -x $build/bench/messaging_memory ]]; then
  printf '\nmemory:, for each second of CPU\n'
  "$build/bench/messaging_memory"
fi
if [[ -x $build/bench/messaging_sqlite ]]; then
  printf '\nsqlite: beside bare SQLite\n'
  program=$(realpath "$build/bench/messaging_sqlite")
  (cd "$files" && "$program" 0.5 "$rounds")
fi
