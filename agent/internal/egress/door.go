// Package egress is the way out of a sandbox without a network: programs connect to a port on loopback, and each of their
// connections is joined to a stream on which the server waits. What they say there (HTTP, CONNECT, SOCKS5) and where it
// may go is the server's to know.
package egress

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"k2sandbox.dev/agent/internal/fault"
)

// pause after an accept that failed for want of something (open files).
const pause = 100 * time.Millisecond

// Door is the port. Connections that no stream waits for stay in the kernel's queue.
type Door struct {
	mu    sync.Mutex
	port  uint16
	comes chan *net.TCPConn
}

// Accept waits for a connection to the port, which is opened by the first call and stays open. Fails with
// PORT_NOT_OPEN where something of the sandbox's has it.
func (d *Door) Accept(ctx context.Context, port uint16) (*net.TCPConn, error) {
	comes, err := d.open(port)
	if err != nil {
		return nil, err
	}
	select {
	case conn := <-comes:
		return conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *Door) open(port uint16) (chan *net.TCPConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.comes != nil {
		if d.port != port {
			return nil, fault.New(fault.InvalidRequest, "the way out is at port %d already", d.port)
		}
		return d.comes, nil
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fault.New(fault.PortNotOpen, "port %d for the way out is taken: %v", port, err)
	}
	d.port, d.comes = port, make(chan *net.TCPConn)
	go accept(listener, d.comes)
	return d.comes, nil
}

// accept runs as long as the agent.
func accept(listener net.Listener, comes chan<- *net.TCPConn) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			time.Sleep(pause)
			continue
		}
		comes <- conn.(*net.TCPConn)
	}
}
