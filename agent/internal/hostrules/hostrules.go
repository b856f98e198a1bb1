// Package hostrules installs the packet rules of a bridge of sandboxes, in the network namespace of the host. It runs
// in a short-lived container of the server's and never in a sandbox. It speaks to nf_tables directly: no program of
// an image is needed, tables of others (Docker's, a firewall's) stay as they are, and each change is made as a whole.
package hostrules

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
)

// tablePrefix marks tables of ours, of all servers on the engine; the bridge's name follows.
const tablePrefix = "k2-sandbox-"

var bridgeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$`)

const usage = "usage: agent network apply BRIDGE [RESOLVER...] | remove BRIDGE | resolvers | clean"

// State is what `apply` says: one JSON object on a line.
type State struct {
	// Found: there was a table of this bridge already. It was replaced all the same.
	Found bool `json:"found"`
	// BridgesFiltered: false where sandboxes on the bridge reach each other past all rules.
	BridgesFiltered bool `json:"bridges_filtered"`
	// OnLink: networks of the host that are denied besides what is denied everywhere.
	OnLink []netip.Prefix `json:"on_link"`
	// Resolvers: reachable at port 53.
	Resolvers []netip.Addr `json:"resolvers"`
	// LoopbackResolver: the host asks itself, and what containers are given instead is not known from here.
	LoopbackResolver bool `json:"loopback_resolver"`
}

// Run is the command line after `network`.
func Run(args []string, out io.Writer) error {
	switch {
	case len(args) >= 2 && args[0] == "apply":
		return apply(args[1], args[2:], out)
	case len(args) == 2 && args[0] == "remove":
		kernel, err := open()
		if err != nil {
			return err
		}
		defer kernel.close()
		return kernel.commit(removal(tablePrefix + args[1]))
	case len(args) == 1 && args[0] == "resolvers":
		state, err := read(nil)
		for _, one := range state.Resolvers {
			fmt.Fprintln(out, one)
		}
		return err
	case len(args) == 1 && args[0] == "clean":
		kernel, err := open()
		if err != nil {
			return err
		}
		defer kernel.close()
		return clean(kernel)
	}
	return errors.New(usage)
}

// apply gives the bridge its rules, as one change without a moment between old and new, and removes those of bridges
// that are gone. The bridge must exist: else the next server to come here would take its rules away again.
func apply(bridge string, moreResolvers []string, out io.Writer) error {
	if !bridgeName.MatchString(bridge) {
		return fmt.Errorf("%q is no name of an interface", bridge)
	}
	if _, err := net.InterfaceByName(bridge); err != nil {
		return fmt.Errorf("the bridge %s is not on this host: %w", bridge, err)
	}
	state, err := read(moreResolvers)
	if err != nil {
		return err
	}
	kernel, err := open()
	if err != nil {
		return err
	}
	defer kernel.close()
	table := tablePrefix + bridge
	tables, err := kernel.tables()
	if err != nil {
		return err
	}
	for _, one := range tables {
		state.Found = state.Found || one == table
	}
	denied := append(append([]netip.Prefix{}, never...), state.OnLink...)
	if err := kernel.commit(ruleset(table, bridge, denied, state.Resolvers)); err != nil {
		return err
	}
	if err := clean(kernel); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(state)
}

func read(moreResolvers []string) (State, error) {
	links, err := onLink()
	if err != nil {
		return State{}, err
	}
	state := State{BridgesFiltered: bridgesAreFiltered(), OnLink: links}
	if config, err := os.Open("/etc/resolv.conf"); err == nil {
		defer config.Close()
		state.Resolvers, state.LoopbackResolver = resolvers(io.LimitReader(config, 64*1024))
	}
	for _, text := range moreResolvers {
		address, err := netip.ParseAddr(text)
		if err != nil || !address.Is4() {
			return State{}, fmt.Errorf("%q is no IPv4 address of a resolver", text)
		}
		state.Resolvers = append(state.Resolvers, address)
	}
	return state, nil
}

// clean removes the tables of bridges that are not there any more.
func clean(kernel *socket) error {
	tables, err := kernel.tables()
	if err != nil {
		return err
	}
	for _, table := range tables {
		bridge, ours := strings.CutPrefix(table, tablePrefix)
		if !ours {
			continue
		}
		if _, err := net.InterfaceByName(bridge); err == nil {
			continue
		}
		// Another server may have been here first.
		if err := kernel.commit(removal(table)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
