package ports

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// tables are of a little-endian machine.
var tables = []struct {
	name, text string
	want       []socket
}{
	{"empty", "", nil},
	{"header", header, nil},
	{"IPv4", header +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 26312 1 0000000000000000 100 0 0 10 0\n" +
		"   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4294967300 1 0000000000000000 100 0 0 10 0\n" +
		"   2: 020011AC:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 26314 1\n" +
		"   3: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 26313 1 0000000000000000 20 4 30 10 -1\n",
		[]socket{
			{netip.MustParseAddrPort("127.0.0.1:8080"), 1000, 26312},
			{netip.MustParseAddrPort("0.0.0.0:22"), 0, 4294967300},
			{netip.MustParseAddrPort("172.17.0.2:3000"), 1000, 26314},
		}},
	{"IPv6", "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7 1\n" +
		"   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8 1\n" +
		"   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1\n" +
		"   3: B80D0120000000000000000001000000:0052 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 10 1\n",
		[]socket{
			{netip.MustParseAddrPort("[::1]:3000"), 1000, 7},
			{netip.MustParseAddrPort("[::]:80"), 0, 8},
			{netip.MustParseAddrPort("127.0.0.1:81"), 0, 9},
			{netip.MustParseAddrPort("[2001:db8::1]:82"), 0, 10},
		}},
	{"what no kernel says", header +
		"   0: 0100007F 00000000:0000 0A 0:0 0:0 0 1000 0 1 1\n" +
		"   0: 0100007F:0000 00000000:0000 0A 0:0 0:0 0 1000 0 1 1\n" +
		"   0: 01007F:1F90 00000000:0000 0A 0:0 0:0 0 1000 0 1 1\n" +
		"   0: 0100007F:1F901 00000000:0000 0A 0:0 0:0 0 1000 0 1 1\n" +
		"   0: 0100007G:1F90 00000000:0000 0A 0:0 0:0 0 1000 0 1 1\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 -1 0 1 1\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 1 0 x 1\n" +
		"   0: 0100007F:1F90 00000000:0000 0A\n\n0A", nil},
	{"cut", header + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 26", []socket{
		{netip.MustParseAddrPort("127.0.0.1:8080"), 1000, 26},
	}},
}

func TestParseFindsWhatListens(t *testing.T) {
	for _, c := range tables {
		got, err := parse(nil, strings.NewReader(c.text))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	line := "   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 1000 0 1 1\n"
	if got, err := parse(nil, strings.NewReader(strings.Repeat(line, 2*maxListening))); err != nil || len(got) != maxListening {
		t.Fatalf("%d, %v", len(got), err)
	}
	if got, err := parse(nil, strings.NewReader(strings.Repeat("x", 1<<20))); err == nil {
		t.Fatalf("a line of a megabyte gave %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range tables {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found, _ := parse(nil, strings.NewReader(text))
		for _, s := range found {
			if !s.address.IsValid() || s.address.Port() == 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func TestListNamesTheProcess(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		l, err := net.Listen(network, "localhost:0")
		if err != nil {
			t.Logf("%s: %v", network, err) // a machine without IPv6
			continue
		}
		defer l.Close()
		address := l.Addr().(*net.TCPAddr).AddrPort()
		all, err := List()
		if err != nil {
			t.Fatal(err)
		}
		want := Port{address.Port(), address.Addr().String(), map[string]string{"tcp4": "ipv4", "tcp6": "ipv6"}[network], uint32(os.Getuid()), os.Getpid(), nameOf(os.Getpid())}
		if !slices.Contains(all, want) {
			t.Fatalf("%+v is not in %+v", want, all)
		}
	}
}
