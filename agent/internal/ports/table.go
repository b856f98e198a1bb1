// Package ports tells which TCP ports something in the sandbox listens on.
package ports

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
)

const (
	// maxTable and maxListening bound what is read of one table and kept of it: connections are in it too.
	maxTable     = 16 << 20
	maxListening = 4096
)

// socket is one listening socket of the kernel's tables.
type socket struct {
	address netip.AddrPort
	uid     uint32
	inode   uint64
}

// listening reads both tables, sorted by port and address.
func listening() ([]socket, error) {
	var found []socket
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(path)
		if os.IsNotExist(err) { // a kernel without IPv6
			continue
		}
		if err == nil {
			found, err = parse(found, f)
			_ = f.Close()
		}
		if err != nil {
			return nil, fault.Of(err, "reading "+path)
		}
	}
	slices.SortStableFunc(found, func(a, b socket) int {
		if a.address.Port() != b.address.Port() {
			return int(a.address.Port()) - int(b.address.Port())
		}
		return a.address.Addr().Compare(b.address.Addr())
	})
	return found, nil
}

// parse appends the listening sockets of one table. Lines that it does not understand are left out.
func parse(found []socket, r io.Reader) ([]socket, error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxTable))
	for lines.Scan() && len(found) < maxListening {
		if s, ok := parseLine(lines.Text()); ok {
			found = append(found, s)
		}
	}
	err := lines.Err()
	if err == bufio.ErrTooLong {
		err = syscall.EIO
	}
	return found, err
}

// parseLine reads "sl local remote st tx:rx tr:when retrnsmt uid timeout inode …" (proc_net_tcp of the kernel's documentation).
func parseLine(line string) (socket, bool) {
	const local, state, uid, inode, listen = 1, 3, 7, 9, "0A"
	f := strings.Fields(line)
	if len(f) <= inode || f[state] != listen {
		return socket{}, false
	}
	address, ok := parseAddress(f[local])
	user, err1 := strconv.ParseUint(f[uid], 10, 32)
	number, err2 := strconv.ParseUint(f[inode], 10, 64)
	return socket{address, uint32(user), number}, ok && err1 == nil && err2 == nil
}

// parseAddress reads the kernel's "0100007F:1F90": 32-bit words as the machine stores them, then the port.
func parseAddress(text string) (netip.AddrPort, bool) {
	words, portText, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(words)
	port, portErr := strconv.ParseUint(portText, 16, 16)
	if err != nil || portErr != nil || port == 0 || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for at := 0; at < len(b); at += 4 {
		binary.NativeEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:]))
	}
	address, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(address.Unmap(), uint16(port)), true
}
