#!/usr/bin/env bash
# server.sh <repository> start|stop <service>: PostgreSQL and PgBouncer, which the tests beside need; where one is not
# installed its tests are skipped, except in CI.
set -euo pipefail
cd "$1"
declare -A installed=([postgresql]=/usr/lib/postgresql [pgbouncer]=/usr/sbin/pgbouncer)
if [[ -z ${CI:-} && ! -e ${installed[$3]} ]]; then
  echo "$3 is missing; ./dev services start $3 installs and starts it"
  exit 77
fi
exec ./dev services "$2" "$3"
