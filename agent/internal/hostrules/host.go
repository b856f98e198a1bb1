package hostrules

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
)

// What is read of the host is bounded: an interface has few addresses, and a resolver library asks three servers.
const (
	mostPrefixes  = 256
	mostResolvers = 8
)

// onLink is every IPv4 network that the host has an address in: neighbours that look public, too.
func onLink() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil || !prefix.Addr().Is4() || prefix.Bits() == 0 || covered(prefix, never) || covered(prefix, out) {
			continue
		}
		if out = append(out, prefix.Masked()); len(out) == mostPrefixes {
			break
		}
	}
	return out, nil
}

func covered(prefix netip.Prefix, by []netip.Prefix) bool {
	for _, one := range by {
		if one.Bits() <= prefix.Bits() && one.Contains(prefix.Addr()) {
			return true
		}
	}
	return false
}

// resolvers reads the servers that the engine gives to containers; loopback ones are the host's own.
func resolvers(config io.Reader) (found []netip.Addr, loopback bool) {
	lines := bufio.NewScanner(config)
	for lines.Scan() && len(found) < mostResolvers {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		address, err := netip.ParseAddr(words[1])
		switch {
		case err != nil || !address.Is4():
		case address.IsLoopback():
			loopback = true
		default:
			found = append(found, address)
		}
	}
	return found, loopback
}

// bridgesAreFiltered: whether packets between two ports of one bridge pass our rules at all.
func bridgesAreFiltered() bool {
	value, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-iptables")
	return err == nil && strings.TrimSpace(string(value)) == "1"
}
