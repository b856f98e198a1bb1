package hostrules

import (
	"net/netip"
	"strings"
	"testing"
)

func TestResolversAreReadAsTheLibraryReadsThem(t *testing.T) {
	text := "# nameserver 1.1.1.1\nsearch lan\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fd00::1\nnameserver nonsense\nnameserver 9.9.9.9 # why\n"
	found, loopback := resolvers(strings.NewReader(text))
	if !loopback || len(found) != 2 || found[0] != netip.MustParseAddr("10.0.0.2") || found[1] != netip.MustParseAddr("9.9.9.9") {
		t.Fatal(found, loopback)
	}
}

func TestNetworksWithinDeniedOnesAreNotDeniedTwice(t *testing.T) {
	if !covered(netip.MustParsePrefix("172.17.0.1/16"), never) || !covered(netip.MustParsePrefix("168.63.129.16/32"), never) {
		t.Fatal("a private network is not covered")
	}
	for _, public := range []string{"8.8.8.0/24", "172.32.0.0/16", "100.128.0.0/10", "168.63.129.0/24"} {
		if covered(netip.MustParsePrefix(public), never) {
			t.Fatal(public)
		}
	}
}

func TestNamesOfBridgesAreChecked(t *testing.T) {
	for _, name := range []string{"", "-a", "a/b", "a b", "sixteencharacter", "x\x00"} {
		if err := Run([]string{"apply", name}, nil); err == nil || !strings.Contains(err.Error(), "no name of an interface") {
			t.Fatal(name, err)
		}
	}
}

func TestAttributesArePaddedAndTheNameIsFoundAmongThem(t *testing.T) {
	if got := attribute(3, []byte{1}); len(got) != 8 || got[0] != 5 {
		t.Fatal(got)
	}
	data := join([]byte{1, 0, 0, 0}, number(2, 7), text(1, "k2-sandbox-x"))
	if got := tableName(data); got != "k2-sandbox-x" {
		t.Fatal(got)
	}
	for cut := range data {
		_ = tableName(data[:cut])
	}
}
