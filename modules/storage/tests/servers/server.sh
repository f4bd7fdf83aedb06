#!/usr/bin/env bash
# server.sh <repository> start|stop: the PostgreSQL that the tests beside need; where it is not installed they are
# skipped, except in CI.
set -euo pipefail
cd "$1"
if [[ -z ${CI:-} && ! -d /usr/lib/postgresql ]]; then
  echo "PostgreSQL is missing; ./dev services start postgresql installs and starts it"
  exit 77
fi
exec ./dev services "$2" postgresql
