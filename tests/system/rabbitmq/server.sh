#!/usr/bin/env bash
# Starts or stops the tests' RabbitMQ. Where it is not installed the tests say so: they fail in CI and skip elsewhere.
set -euo pipefail
if [[ -z ${CI:-} ]] && ! command -v /usr/lib/rabbitmq/bin/rabbitmq-server >/dev/null; then
  echo "RabbitMQ is not installed; ./dev services start rabbitmq does it"
  exit 0
fi
# Each run begins with empty data: after a restart the queues for delays of a run before were seen, for a cause not found, to
# refuse every message until they were deleted.
if [[ $1 == start && -n ${WEFT_SERVICES:-} ]]; then
  pid=""
  read -r pid _ 2>/dev/null <"$WEFT_SERVICES/rabbitmq/pid" || true
  [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null || rm -rf "$WEFT_SERVICES/rabbitmq/data"
fi
exec ./dev services "$1" rabbitmq
