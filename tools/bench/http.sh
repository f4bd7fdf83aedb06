#!/bin/bash
# HTTP server, side by side with nginx: 100 bytes of JSON over 64 keep-alive connections, one core each, interleaved.
#     ./dev bench http [rounds, 5] [seconds of a round, 5]
# The server is pinned to core 0, wrk to core 1. CPU per request is the server process' own, from the scheduler's
# accounting (/proc/<pid>/schedstat), divided by the requests that wrk counted.
set -euo pipefail
rounds=${1:-5}
seconds=${2:-5}
build=${WEFT_BUILD:-build/release}
for tool in nginx wrk taskset; do
  command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
  command -v "$tool" >/dev/null || { echo "no $tool: run ./dev setup bench" >&2; exit 1; }
done
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
weft_port=$(free_port)
nginx_port=$(free_port)
body='{"data":{"id":"018f2f6e-7c1a-7b3e-9a55-3f1f8f0f6a11","stat":"ok","total":4990},"success":true,"n":1}'

cat >"$work/nginx.conf" <<CONF
daemon off;
master_process off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  server { listen 127.0.0.1:$nginx_port; location / { default_type application/json; return 200 '$body'; } }
}
CONF
taskset -c 0 nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
nginx_pid=$!
pids+=("$nginx_pid")
taskset -c 0 "$build/bench/http_server" "$weft_port" &
weft_pid=$!
pids+=("$weft_pid")

wait_for() {
  for _ in $(seq 100); do
    if curl -fsS "http://127.0.0.1:$1/" 2>/dev/null | grep -qF '"total":4990'; then return; fi
    sleep 0.05
  done
  echo "nothing answers on port $1" >&2
  exit 1
}
wait_for "$weft_port"
wait_for "$nginx_port"

cpu() { awk '{print $1}' "/proc/$1/schedstat"; }
# name, pid, port: appends "microseconds requests-per-second" to the name's file.
measure() {
  local before after requests
  before=$(cpu "$2")
  taskset -c 1 wrk -t1 -c64 -d"${seconds}s" "http://127.0.0.1:$3/" >"$work/wrk"
  after=$(cpu "$2")
  if grep -qE 'Socket errors|Non-2xx' "$work/wrk"; then cat "$work/wrk" >&2; exit 1; fi
  requests=$(awk '/requests in/ {print $1}' "$work/wrk")
  awk -v ns=$((after - before)) -v n="$requests" -v s="$(awk '/Requests\/sec/ {print $2}' "$work/wrk")" \
    'BEGIN {printf "%.3f %.0f\n", ns / n / 1000, s}' >>"$work/$1.figures"
  printf '  %-6s %s us of CPU per request, %s requests/s\n' "$1" $(tail -n 1 "$work/$1.figures")
}
for round in $(seq "$rounds"); do
  echo "round $round"
  measure weft "$weft_pid" "$weft_port"
  measure nginx "$nginx_pid" "$nginx_port"
done
median() { sort -n "$work/$1.figures" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
awk -v w="$(median weft)" -v n="$(median nginx)" \
  'BEGIN {printf "median: weft %.2f us, nginx %.2f us of CPU per request; ratio %.2f (target: at most 0.9)\n", w, n, w / n}'
