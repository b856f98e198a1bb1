package egress

import (
	"context"
	"errors"
	"net"
	"testing"

	"k2sandbox.dev/agent/internal/fault"
)

func freePort(t *testing.T) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

func TestAConnectionWaitsUntilAStreamDoes(t *testing.T) {
	var door Door
	port := freePort(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := door.Accept(gone, port); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	client, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := door.Accept(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.RemoteAddr().String() != client.LocalAddr().String() {
		t.Fatal(conn.RemoteAddr())
	}
}

func TestAPortThatIsTakenIsSaid(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var door Door
	_, err = door.Accept(t.Context(), uint16(listener.Addr().(*net.TCPAddr).Port))
	if fault.Of(err, "test").Code != fault.PortNotOpen {
		t.Fatal(err)
	}
}
