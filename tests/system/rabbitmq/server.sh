#!/usr/bin/env bash
# Starts or stops the tests' RabbitMQ. Where it is not installed the tests say so: they fail in CI and skip elsewhere.
set -euo pipefail
if [[ -z ${CI:-} ]] && ! command -v /usr/lib/rabbitmq/bin/rabbitmq-server >/dev/null; then
  echo "RabbitMQ is not installed; ./dev services start rabbitmq does it"
  exit 0
fi
exec ./dev services "$1" rabbitmq
