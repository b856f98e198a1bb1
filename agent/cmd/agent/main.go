// Command agent is PID 1 of every sandbox; see README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"k2sandbox.dev/agent/internal/api"
	"k2sandbox.dev/agent/internal/harden"
	"k2sandbox.dev/agent/internal/hostrules"
	"k2sandbox.dev/agent/internal/jupyter"
	"k2sandbox.dev/agent/internal/link"
	"k2sandbox.dev/agent/internal/proc"
)

// version is set by the linker.
var version = "0.1.0"

const usage = `usage:
  agent serve --dial PATH | --listen PATH | --stdio
  agent connect [--any-peer] PATH
  agent jupyter KERNEL (the driver of a context, see internal/drivers/README.md)
  agent network apply BRIDGE [RESOLVER...] | remove BRIDGE | resolvers | clean (on the host's network, see internal/hostrules)
  agent version`

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == "jupyter" { // as the user, with the user's environment and no secret of ours
		return jupyter.Serve(args[1])
	}
	if err := harden.Memory(); err != nil {
		return err
	}
	token := harden.TakeSecret("K2_AGENT_TOKEN")
	switch {
	case len(args) == 1 && args[0] == "version":
		_, err := fmt.Fprintln(out, version)
		return err
	case len(args) >= 2 && args[0] == "network":
		return hostrules.Run(args[1:], out)
	case len(args) == 2 && args[0] == "connect":
		return link.ConnectStdio(args[1], 1)
	case len(args) == 3 && args[0] == "connect" && args[1] == "--any-peer": // tests, where the agent is not PID 1
		return link.ConnectStdio(args[2], 0)
	case len(args) == 3 && args[0] == "serve" && args[1] == "--dial":
		return serve(func(ctx context.Context, h http.Handler) error { return link.Dial(ctx, args[2], token, h) })
	case len(args) == 3 && args[0] == "serve" && args[1] == "--listen":
		return serve(func(ctx context.Context, h http.Handler) error { return link.Listen(ctx, args[2], h) })
	case len(args) == 2 && args[0] == "serve" && args[1] == "--stdio":
		return serve(link.Stdio)
	}
	return errors.New(usage)
}

// serve runs one link until it ends or we are told to: then everything that was started ends as well.
func serve(join func(context.Context, http.Handler) error) error {
	// As PID 1 only signals with a handler arrive, also from outside the container.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	harden.Process()
	table := proc.NewTable(os.Getpid())
	err := join(ctx, api.New(table, version))
	table.KillEverything()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
