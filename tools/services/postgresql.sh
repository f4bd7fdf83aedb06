# shellcheck shell=bash disable=SC2034,SC2154  # `folder`, `command` and the deadlines belong to tools/dev/services.sh.
# PostgreSQL 15 with a cluster of its own: user weft with password weft, superuser of the database weft; fsync is on.
#   WEFT_POSTGRES_PORT   its port on 127.0.0.1, 24432 unless set (below the ephemeral ports); its Unix socket is in build/services/postgresql
# Tests: postgres://weft:weft@127.0.0.1:24432/weft
postgres_port=${WEFT_POSTGRES_PORT:-24432}
start_deadline=60
stop_deadline=20

service_packages() { echo services; }

service_about() { echo "postgres://weft:weft@127.0.0.1:$postgres_port/weft"; }

# Debian keeps the server's programs out of PATH.
postgres_program() {
  local found
  found=$(find /usr/lib/postgresql -path "*/bin/$1" 2>/dev/null | sort -V | tail -n 1)
  [[ -n $found ]] || fail "postgresql: there is no program $1" "install the Debian package postgresql"
  echo "$found"
}

# The server refuses to run as root.
as_server() {
  if ((EUID == 0)); then
    runuser -u postgres -- "$@"
  else
    "$@"
  fi
}

service_answers() {
  command -v psql >/dev/null &&
    PGPASSWORD=weft PGCONNECT_TIMEOUT=2 psql -X -q -h 127.0.0.1 -p "$postgres_port" -U weft -d weft -c 'SELECT 1' \
      >/dev/null 2>&1
}

service_command() {
  local server home=$folder data=$folder/data password=$folder/password
  server=$(postgres_program postgres)
  if ((EUID == 0)); then
    chown postgres "$folder"
    # The server's user must reach its data. Below a folder that is root's alone (a home, a private temporary folder) it
    # cannot, and the data goes to one of its own.
    if ! as_server test -x "$folder"; then
      home=/var/tmp/weft-postgresql-$(cksum <<<"$folder" | cut -d' ' -f1)
      mkdir -p "$home"
      chown postgres "$home"
      chmod 700 "$home"
      data=$home/data password=$home/password
      echo "postgresql: the user postgres cannot reach $folder; the data is in $home"
    fi
  fi
  if [[ ! -f $data/PG_VERSION || ! -f $folder/made ]]; then
    rm -rf "$data"
    echo weft >"$password"
    chmod 644 "$password"
    as_server "$(postgres_program initdb)" -D "$data" -U weft --pwfile="$password" --auth=scram-sha-256 \
      --encoding=UTF8 --locale=C.UTF-8 >"$folder/initdb.log" 2>&1 || {
      tail -n 15 "$folder/initdb.log" >&2
      fail "postgresql: initdb failed" "see above and $folder/initdb.log"
    }
    # In single-user mode, before anyone can connect.
    as_server "$server" --single -D "$data" postgres <<<'CREATE DATABASE weft' >>"$folder/initdb.log" 2>&1
    touch "$folder/made"
  fi
  # To the signal that ends a service the server would answer by waiting for its clients, so it does not get to see it.
  local -a stop=("$(postgres_program pg_ctl)" stop -D "$data" -m fast -t 15)
  local -a run=("$server" -D "$data" -p "$postgres_port" -c listen_addresses=127.0.0.1
    -c unix_socket_directories="$home" -c max_connections=100 -c shared_buffers=64MB -c log_min_messages=warning)
  if ((EUID == 0)); then
    stop=(runuser -u postgres -- "${stop[@]}")
    run=(runuser -u postgres -- "${run[@]}")
  fi
  # shellcheck disable=SC2016  # the inner shell expands it
  command=(bash -c '
    stop=("${@:1:$1 + 1}") run=("${@:$1 + 2}")
    trap "\"\${stop[@]:1}\"" TERM
    setsid "${run[@]}" &
    while ! wait; do :; done' postgresql "${#stop[@]}" "${stop[@]}" "${run[@]}")
}
