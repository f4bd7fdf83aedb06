# shellcheck shell=bash disable=SC2034,SC2154  # `folder`, `command` and the deadlines belong to tools/dev/services.sh.
# A Consul agent in dev mode: everything in memory, gone when it stops. Built from its Go module when it is missing,
# which takes some minutes the first time (tests/peers/consul/build.sh).
#   WEFT_CONSUL_PORT   of its HTTP API on 127.0.0.1, 18500 unless set; the three after it are used too
# Access control is on and allows everything to those without a token, so that a wrong token is refused.
consul_port=${WEFT_CONSUL_PORT:-18500}
start_deadline=30

service_packages() { printf "%s\n" services test; }

service_about() { echo "HTTP API at http://127.0.0.1:$consul_port, dev mode"; }

# A leader has been elected.
service_answers() {
  curl -fsS --max-time 2 "http://127.0.0.1:$consul_port/v1/status/leader" 2>/dev/null | grep -q '[0-9]'
}

service_command() {
  tests/peers/consul/build.sh || fail "consul: the agent could not be built" "see above"
  command=("${WEFT_CONSUL_AGENT:-$PWD/build/peers/consul-agent}" -dev -node=weft -disable-host-node-id -bind=127.0.0.1
    -client=127.0.0.1 -http-port="$consul_port" -server-port=$((consul_port + 1)) -serf-lan-port=$((consul_port + 2))
    -serf-wan-port=$((consul_port + 3)) -dns-port=-1 -grpc-port=-1 -grpc-tls-port=-1 -log-level=warn
    -hcl 'disable_update_check = true' -hcl 'session_ttl_min = "1s"'
    -hcl 'acl { enabled = true default_policy = "allow" }')
}
