package jupyter

import (
	"bufio"
	"bytes"
	"net"
	"strings"
	"testing"
)

// pair connects a socket of ours with one end of a kernel's.
func pair(t *testing.T, kind string, peer func(net.Conn)) (*socket, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		peer(conn)
	}()
	s, err := dialSocket(l.Addr().String(), kind)
	t.Cleanup(func() {
		if s != nil {
			s.close()
		}
		<-over
	})
	return s, err
}

func TestMessagesOfEverySize(t *testing.T) {
	want := [][]byte{{}, []byte("a"), bytes.Repeat([]byte("b"), 255), bytes.Repeat([]byte("c"), 256), bytes.Repeat([]byte("d"), 1<<20)}
	s, err := pair(t, "DEALER", func(conn net.Conn) {
		peer, err := greet(conn, "ROUTER")
		if err != nil {
			t.Error(err)
			return
		}
		// A command in between, as a PING of later versions, is no part of a message.
		_ = peer.write(frame(command, []byte("\x04PING")))
		parts, err := peer.receive()
		if err == nil {
			err = peer.send(parts)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.send(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.receive()
	if err != nil || len(got) != len(want) {
		t.Fatal(len(got), err)
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("part %d has %d bytes instead of %d", i, len(got[i]), len(want[i]))
		}
	}
}

func TestSubscriberAsksForAllTopics(t *testing.T) {
	subscribed := make(chan [][]byte, 1)
	_, err := pair(t, "SUB", func(conn net.Conn) {
		peer, err := greet(conn, "PUB")
		if err != nil {
			t.Error(err)
			return
		}
		parts, _ := peer.receive()
		subscribed <- parts
	})
	if err != nil {
		t.Fatal(err)
	}
	if parts := <-subscribed; len(parts) != 1 || !bytes.Equal(parts[0], []byte{1}) {
		t.Fatalf("%q", parts)
	}
}

func TestStrangePeersAreRefused(t *testing.T) {
	other := bytes.Clone(greeting)
	copy(other[12:], "CURVE")
	old := bytes.Clone(greeting)
	old[10] = 2
	for name, says := range map[string][]byte{
		"nothing":            {},
		"HTTP":               []byte("HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat("x", 64)),
		"another mechanism":  other,
		"an old version":     old,
		"an error":           append(bytes.Clone(greeting), frame(command, []byte("\x05ERROR\x02no"))...),
		"a message at once":  append(bytes.Clone(greeting), frame(0, []byte("hello"))...),
		"reserved flags":     append(bytes.Clone(greeting), 0x80, 0),
		"a very long frame":  append(bytes.Clone(greeting), long|command, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"a frame that stops": append(bytes.Clone(greeting), command, 200, 'x'),
	} {
		_, err := pair(t, "DEALER", func(conn net.Conn) {
			_, _ = conn.Write(says)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = bufio.NewReader(conn).WriteTo(&bytes.Buffer{})
			_ = conn.Close()
		})
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(frame(0, []byte("x")))
	f.Add(append(frame(more, []byte("x")), frame(0, bytes.Repeat([]byte("y"), 300))...))
	f.Add([]byte{long, 0, 0, 0, 0, 0x10, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &socket{in: bufio.NewReader(bytes.NewReader(text))}
		parts, err := s.receive()
		if err != nil {
			return
		}
		size := 0
		for _, part := range parts {
			size += len(part)
		}
		if size > len(text) {
			t.Fatalf("%d bytes out of %d", size, len(text))
		}
	})
}
