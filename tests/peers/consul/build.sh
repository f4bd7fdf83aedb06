#!/usr/bin/env bash
# Builds the Consul agent that tests use into build/peers/consul-agent, unless it is there and newer than its sources.
# The first time downloads Consul's Go modules (200 MB) and compiles for some minutes; later Go's own cache makes it
# seconds. Exit status 77: there is no Go, and CI is not set, where that would be a failure.
set -euo pipefail
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$(readlink -f -- "$here/../../..")
agent=${WEFT_CONSUL_AGENT:-$root/build/peers/consul-agent}

if [[ -x $agent && $agent -nt $here/go.mod && $agent -nt $here/main.go ]]; then exit 0; fi

lacking() {
  echo "consul: $1; remedy: install Go 1.20 or newer (Debian 12 has 1.19; take its backports, or https://go.dev/dl)" >&2
  [[ -z ${CI:-} ]] && exit 77
  exit 1
}
command -v go >/dev/null || lacking "there is no Go to build the agent with"
version=$(go env GOVERSION 2>/dev/null || true)
if [[ ! $version =~ ^go1\.([0-9]+) ]] || ((BASH_REMATCH[1] < 20)); then
  # Debian 12's Go is 1.19. Newer ones come as modules, checked against the checksum database like any other.
  toolchain=golang.org/toolchain@v0.0.1-go1.21.13.linux-$(go env GOARCH)
  echo "consul: ${version:-this Go} is too old; fetching $toolchain" >&2
  toolchain_folder=$(cd / && go mod download -json "$toolchain" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p') || true
  [[ -n $toolchain_folder && -f $toolchain_folder/bin/go ]] || lacking "${version:-this Go} is too old, and no newer one could be fetched"
  # A module's files are read-only and lose their execute bits: a copy that has them.
  kept=$root/build/peers/go1.21.13
  if [[ ! -x $kept/bin/go ]]; then
    rm -rf -- "$kept.new" && mkdir -p -- "$kept.new"
    cp -r -- "$toolchain_folder/." "$kept.new" && chmod -R u+w -- "$kept.new"
    chmod +x -- "$kept.new/bin/"* "$kept.new/pkg/tool/"*/*
    mv -- "$kept.new" "$kept"
  fi
  PATH=$kept/bin:$PATH
  export PATH GOTOOLCHAIN=local GOROOT=$kept
fi

mkdir -p -- "$(dirname -- "$agent")"
cd -- "$here"
# In the background of other work, and complete or not there at all.
nice -n 5 go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$agent.new" .
mv -- "$agent.new" "$agent"
