#!/usr/bin/env bash
# Builds the Consul agent that tests use into build/peers/consul-agent, unless it is there and newer than its sources.
# The first time downloads Consul's Go modules (200 MB) and compiles for some minutes; later Go's own cache makes it
# seconds. Exit status 77: there is no suitable Go, and CI is not set, where that would be a failure.
set -euo pipefail
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$(readlink -f -- "$here/../../..")
agent=${WEFT_CONSUL_AGENT:-$root/build/peers/consul-agent}

if [[ -x $agent && $agent -nt $here/go.mod && $agent -nt $here/main.go ]]; then exit 0; fi

lacking() {
  echo "consul: $1; remedy: install Go 1.20 or newer (Debian 12: golang-1.21-go or newer from bookworm-backports, or https://go.dev/dl)" >&2
  [[ -z ${CI:-} ]] && exit 77
  exit 1
}
command -v go >/dev/null || lacking "there is no Go to build the agent with"
version=$(go env GOVERSION 2>/dev/null || true)
if [[ ! $version =~ ^go1\.([0-9]+) ]] || ((BASH_REMATCH[1] < 20)); then lacking "${version:-this Go} is too old"; fi

mkdir -p -- "$(dirname -- "$agent")"
cd -- "$here"
# In the background of other work, and complete or not there at all.
nice -n 5 go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$agent.new" .
mv -- "$agent.new" "$agent"
