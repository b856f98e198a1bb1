// Package tunnel joins a stream of the server's to a port on which something in the sandbox listens.
package tunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/ports"
)

const (
	maxTunnels  = 512
	dialTimeout = 5 * time.Second
)

// Slots bounds the tunnels that are open at once.
type Slots chan struct{}

// NewSlots makes them, all free.
func NewSlots() Slots { return make(Slots, maxTunnels) }

// Take takes one; release gives it back. Fails with TOO_MANY_TUNNELS where none is free.
func (s Slots) Take() (release func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	default:
		return nil, fault.New(fault.TooManyTunnels, "%d tunnels are open already", maxTunnels)
	}
}

var loopbacks = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

// Dial connects to what listens on the port: on the loopback addresses, else on whichever it chose alone. Fails with
// PORT_NOT_OPEN where nothing does, or nothing accepts in time.
func Dial(ctx context.Context, port uint16) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := dialFirst(ctx, loopbacks, port)
	if conn == nil && err == nil {
		var others []netip.Addr
		if others, err = ports.Addresses(port); err != nil {
			return nil, err
		}
		others = slices.DeleteFunc(others, func(a netip.Addr) bool { return a.IsUnspecified() || slices.Contains(loopbacks, a) })
		conn, err = dialFirst(ctx, others, port)
	}
	switch {
	case conn != nil:
		return conn, nil
	case err == nil:
		return nil, fault.New(fault.PortNotOpen, "nothing in the sandbox listens on port %d", port)
	case errors.Is(err, context.Canceled):
		return nil, err
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return nil, fault.New(fault.TooManyTunnels, "the sandbox can't open another connection now: %v", err)
	}
	return nil, fault.New(fault.PortNotOpen, "what listens on port %d accepts no connection: %v", port, err)
}

// dialFirst tries one address after the other; nil and no error where all refuse.
func dialFirst(ctx context.Context, addresses []netip.Addr, port uint16) (*net.TCPConn, error) {
	var dialer net.Dialer // sets TCP_NODELAY
	for _, address := range addresses {
		conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(address, port).String())
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !isRefused(err) {
			return nil, err
		}
	}
	return nil, nil
}

// isRefused: nobody listens there, or a sandbox without the network or kind of address.
func isRefused(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EADDRNOTAVAIL, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EAFNOSUPPORT, syscall.EINVAL} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
