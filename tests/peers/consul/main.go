// A real Consul agent for weft's tests, built from Consul's Go module at the last version under the MPL that the module
// proxy has. It is the command `consul agent`, and nothing else of the consul program:
//
//	consul-agent -dev -http-port=8500 ...
package main

import (
	"os"

	"github.com/hashicorp/consul/command/agent"
	"github.com/hashicorp/consul/command/cli"
	mcli "github.com/mitchellh/cli"
)

func main() {
	ui := &cli.BasicUI{BasicUi: mcli.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}}
	os.Exit(agent.New(ui).Run(os.Args[1:]))
}
