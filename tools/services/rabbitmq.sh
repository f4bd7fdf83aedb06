# shellcheck shell=bash disable=SC2034,SC2154  # `folder`, `command` and the deadlines belong to tools/dev/services.sh.
# RabbitMQ 3.10 as node weft@localhost, on loopback only, with the plugins management and consistent hash exchange.
#   amqp://weft:weft@127.0.0.1:24672/        amqps on 24671, certified by <folder>/ca.pem (also for client certificates)
#   http://127.0.0.1:24673                   management, the same user
#   WEFT_RABBITMQ_PORT   another port for AMQP: the others follow it as above (24671 is one below, 24673 one above,
#                        24674 Erlang's distribution, 24675 its port mapper)
# rabbitmqctl and rabbitmq-diagnostics: bash <folder>/ctl <command>..., bash <folder>/diagnostics <command>...
# Below the ports that the kernel hands out for outgoing connections, which a listener would now and then find in use.
rabbitmq_port=${WEFT_RABBITMQ_PORT:-24672}
start_deadline=90
stop_deadline=30

service_packages() { echo services; }

service_about() { echo "amqp://weft:weft@127.0.0.1:$rabbitmq_port/, management at http://127.0.0.1:$((rabbitmq_port + 1))"; }

# A server that speaks AMQP answers to a wrong protocol header with the right one.
service_answers() {
  python3 - "$rabbitmq_port" <<'PYTHON' 2>/dev/null
import socket
import sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as probe:
    probe.settimeout(2)
    probe.sendall(b"AMQP\x00\x00\x00\x00")
    sys.exit(0 if probe.recv(4) == b"AMQP" else 1)
PYTHON
}

# The environment of the server and of its tools; what is not set here is Debian's default.
rabbitmq_environment() {
  local root=$1
  printf '%s\n' \
    "HOME=$root" \
    "RABBITMQ_NODENAME=weft@localhost" \
    "RABBITMQ_MNESIA_BASE=$root/data" \
    "RABBITMQ_LOG_BASE=$root/logs" \
    "RABBITMQ_LOGS=-" \
    "RABBITMQ_CONFIG_FILE=$root/rabbitmq" \
    "RABBITMQ_CONF_ENV_FILE=$root/environment" \
    "RABBITMQ_ENABLED_PLUGINS_FILE=$root/plugins" \
    "RABBITMQ_PID_FILE=$root/server.pid" \
    "RABBITMQ_DIST_PORT=$((rabbitmq_port + 2))" \
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'" \
    "RABBITMQ_CTL_DIST_PORT_MIN=$((rabbitmq_port + 4))" \
    "RABBITMQ_CTL_DIST_PORT_MAX=$((rabbitmq_port + 24))" \
    "ERL_CRASH_DUMP=$root/erl_crash.dump" \
    "ERL_EPMD_ADDRESS=127.0.0.1" \
    "ERL_EPMD_PORT=$((rabbitmq_port + 3))"
}

rabbitmq_certificates() {
  local root=$1
  [[ -f $root/server.pem ]] && return
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=weft test authority" -keyout "$root/ca.key" \
    -out "$root/ca.pem" -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
  local who
  for who in server client; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$root/$who.key" -out "$root/$who.csr" 2>/dev/null
    openssl x509 -req -in "$root/$who.csr" -CA "$root/ca.pem" -CAkey "$root/ca.key" -CAcreateserial -days 3650 \
      -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$root/$who.pem" 2>/dev/null
  done
}

rabbitmq_configuration() {
  local root=$1
  cat <<CONFIGURATION
listeners.tcp.1 = 127.0.0.1:$rabbitmq_port
listeners.ssl.1 = 127.0.0.1:$((rabbitmq_port - 1))
ssl_options.cacertfile = $root/ca.pem
ssl_options.certfile = $root/server.pem
ssl_options.keyfile = $root/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
management.tcp.ip = 127.0.0.1
management.tcp.port = $((rabbitmq_port + 1))
default_user = weft
default_pass = weft
log.console = true
log.console.level = warning
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 2GB
CONFIGURATION
}

service_command() {
  local root tool
  root=$(realpath "$folder")
  mkdir -p "$root/data" "$root/logs"
  rabbitmq_certificates "$root"
  rabbitmq_configuration "$root" >"$root/rabbitmq.conf"
  echo '[rabbitmq_management,rabbitmq_consistent_hash_exchange].' >"$root/plugins"
  : >"$root/environment"
  rabbitmq_environment "$root" | sed 's/^/export /' >"$root/variables"
  # Debian's wrappers insist on the user rabbitmq and its home; these are the programs behind them.
  local bin=/usr/lib/rabbitmq/bin
  for tool in rabbitmqctl:ctl rabbitmq-diagnostics:diagnostics; do
    printf '# Talks to the server of this folder.\n. "%s/variables"\nexec %s/%s "$@"\n' "$root" "$bin" "${tool%%:*}" \
      >"$root/${tool##*:}"
  done
  # The port mapper ends with the server: it is in the same process group, which stop ends.
  printf '. "%s/variables"\nepmd &\nexec %s/rabbitmq-server\n' "$root" "$bin" >"$root/run"
  command=(bash "$root/run")
}
