# shellcheck shell=bash disable=SC2034,SC2154  # `folder`, `command` and the deadlines belong to tools/dev/services.sh.
# PgBouncer in front of tools/services/postgresql.sh, which lends a session for one transaction (pool_mode=transaction).
#   WEFT_PGBOUNCER_PORT   its port on 127.0.0.1, 24433 unless set
#   WEFT_POSTGRES_PORT    the port of the server behind it, 24432 unless set
# Tests: postgres://weft:weft@127.0.0.1:24433/weft
pgbouncer_port=${WEFT_PGBOUNCER_PORT:-24433}

service_packages() { echo services; }

service_about() { echo "postgres://weft:weft@127.0.0.1:$pgbouncer_port/weft"; }

# Its own console, which needs no server behind it.
service_answers() {
  command -v psql >/dev/null &&
    PGPASSWORD=weft PGCONNECT_TIMEOUT=2 psql -X -q -h 127.0.0.1 -p "$pgbouncer_port" -U weft -d pgbouncer -c 'SHOW VERSION' \
      >/dev/null 2>&1
}

service_command() {
  local program
  program=$(command -v pgbouncer || echo /usr/sbin/pgbouncer)
  [[ -x $program ]] || fail "pgbouncer: there is no program pgbouncer" "install the Debian package pgbouncer"
  local home=$folder
  # It refuses to run as root, and the user that it runs as may not reach the folder.
  if ((EUID == 0)) && ! runuser -u postgres -- test -x "$folder"; then
    home=/var/tmp/weft-pgbouncer-$(cksum <<<"$folder" | cut -d' ' -f1)
    mkdir -p "$home"
  fi
  echo '"weft" "weft"' >"$home/users"
  cat >"$home/pgbouncer.ini" <<INI
[databases]
* = host=127.0.0.1 port=${WEFT_POSTGRES_PORT:-24432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pgbouncer_port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $home/users
admin_users = weft
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
INI
  command=("$program" -q "$home/pgbouncer.ini")
  if ((EUID == 0)); then
    chown -R postgres "$home"
    command=(runuser -u postgres -- "${command[@]}")
  fi
}
