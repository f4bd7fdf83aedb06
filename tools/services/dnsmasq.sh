# shellcheck shell=bash disable=SC2034,SC2154  # `folder`, `command` and the deadlines belong to tools/dev/services.sh.
# A name server for weft.test, and for nothing else (every other name is refused or unknown).
#   WEFT_DNS_PORT      its port on 127.0.0.1, 15353 unless set
#   WEFT_DNS_RECORDS   its records, tools/services/dnsmasq.records unless set; after a change: ./dev services restart dnsmasq
# Tests that change records run their own one: WEFT_SERVICES=<folder> WEFT_DNS_PORT=<port> WEFT_DNS_RECORDS=<file>.
dns_port=${WEFT_DNS_PORT:-15353}
dns_records=${WEFT_DNS_RECORDS:-tools/services/dnsmasq.records}
start_deadline=10

service_packages() { echo services; }

service_about() { echo "names of weft.test at 127.0.0.1 port $dns_port, records from $dns_records"; }

service_answers() { python3 tools/services/dns_query.py 127.0.0.1 "$dns_port" weft.test A >/dev/null 2>&1; }

service_command() {
  local server user
  # Not in every user's PATH.
  server=$(PATH=$PATH:/usr/sbin:/sbin command -v dnsmasq)
  user=$(id -un)
  [[ -f $dns_records ]] || fail "dnsmasq: there is no file $dns_records" "set WEFT_DNS_RECORDS to a file of records"
  cp "$dns_records" "$folder/records"
  command=("$server" --keep-in-foreground --log-facility=- --conf-file="$folder/records" --pid-file="$folder/dnsmasq.pid"
    --user="$user" --port="$dns_port" --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --no-poll
    --local=/weft.test/ --local-ttl=1 --cache-size=0 --dns-loop-detect)
}
