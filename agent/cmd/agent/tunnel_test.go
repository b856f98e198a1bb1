package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program listens on an address and gives what connects; it closes all at the end.
type program struct {
	t    *testing.T
	port int
	conn chan *net.TCPConn
}

func listenOn(t *testing.T, address string) *program {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	p := &program{t, l.Addr().(*net.TCPAddr).Port, make(chan *net.TCPConn)}
	done := make(chan struct{})
	t.Cleanup(func() { close(done); l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			t.Cleanup(func() { c.Close() })
			select {
			case p.conn <- c.(*net.TCPConn):
			case <-done:
			}
		}
	}()
	return p
}

func (p *program) accept() *net.TCPConn {
	p.t.Helper()
	select {
	case c := <-p.conn:
		return c
	case <-time.After(10 * time.Second):
		p.t.Fatal("nobody connected")
		return nil
	}
}

// tunnel is the client's side of one.
type tunnel struct {
	*io.PipeWriter // to the program
	io.ReadCloser  // from it
}

// leave resets the stream.
func (t *tunnel) leave() { _ = t.ReadCloser.Close() }

// tunnelTo opens one; it fails with what the agent answered otherwise.
func (a *agent) tunnelTo(port int) (*tunnel, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	a.t.Cleanup(cancel)
	body, write := io.Pipe()
	resp, err := a.http.Do(a.request(ctx, "POST", fmt.Sprintf("/v1/tunnel?port=%d", port), body))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		return nil, errors.New(string(data))
	}
	return &tunnel{write, resp.Body}, nil
}

func (a *agent) tunnel(port int) *tunnel {
	a.t.Helper()
	x, err := a.tunnelTo(port)
	must(a.t, err)
	return x
}

func exchange(t *testing.T, from io.Writer, to io.Reader, text string) {
	t.Helper()
	_, err := io.WriteString(from, text)
	must(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(to, got)
	must(t, err)
	if string(got) != text {
		t.Fatalf("%q, want %q", got, text)
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func TestTunnelCarriesBothWaysAtOnce(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	x := a.tunnel(p.port) // answers before anybody has said a thing
	c := p.accept()
	for range 3 {
		exchange(t, x, c, "question")
		exchange(t, c, x, "answer")
	}
}

func TestTunnelEndsOneWayAtATime(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	x := a.tunnel(p.port)
	c := p.accept()
	exchange(t, x, c, "all I have to say")
	must(t, x.PipeWriter.Close())
	if data, err := io.ReadAll(c); err != nil || len(data) != 0 {
		t.Fatalf("%q, %v: the program was not told of the end", data, err)
	}
	exchange(t, c, x, "the answer to all of it")
	must(t, c.Close())
	if data, err := io.ReadAll(x); err != nil || len(data) != 0 {
		t.Fatalf("%q, %v: the answer did not end", data, err)
	}
}

func TestTunnelWhoseProgramEndsFirst(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	x := a.tunnel(p.port)
	c := p.accept()
	exchange(t, c, x, "bye")
	must(t, c.Close())
	if data, err := io.ReadAll(x.ReadCloser); err != nil || len(data) != 0 {
		t.Fatalf("%q, %v", data, err)
	}
}

func TestTunnelThatTheProgramResetsIsCut(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	x := a.tunnel(p.port)
	c := p.accept()
	exchange(t, c, x, "half of")
	must(t, c.SetLinger(0))
	must(t, c.Close())
	if data, err := io.ReadAll(x); err == nil {
		t.Fatalf("%q looked like the end", data)
	}
}

func TestTunnelWhoseClientLeavesIsReset(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	a.want(200, "GET", "/v1/info", nil, nil)
	ends := func(c *net.TCPConn) error { _, err := io.Copy(io.Discard, c); return err }
	for name, seen := range map[string]func(*tunnel, *net.TCPConn) error{
		"idle": func(x *tunnel, c *net.TCPConn) error {
			x.leave()
			return ends(c)
		},
		"the program does not read": func(x *tunnel, c *net.TCPConn) error {
			go func() { _, _ = x.PipeWriter.Write(make([]byte, 64<<20)) }()
			x.leave()
			return ends(c)
		},
		"the client does not read": func(x *tunnel, c *net.TCPConn) error {
			wrote := make(chan error)
			go func() { _, err := c.Write(make([]byte, 64<<20)); wrote <- err }()
			x.leave()
			return <-wrote // a socket tells of a reset once, here
		},
	} {
		x := a.tunnel(p.port)
		c := p.accept()
		exchange(t, x, c, "hello")
		if err := seen(x, c); !isReset(err) {
			t.Fatalf("%s: the program saw %v", name, err)
		}
		_ = x.PipeWriter.Close()
	}
}

func TestTunnelHoldsWhoeverIsFasterUp(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	const total = 64 << 20
	data := make([]byte, total)
	_, _ = rand.Read(data)
	x := a.tunnel(p.port)
	c := p.accept()
	sent := make(chan struct{}, 2)
	go func() { _, _ = x.PipeWriter.Write(data); sent <- struct{}{} }()
	go func() { _, _ = c.Write(data); sent <- struct{}{} }()
	select {
	case <-sent:
		t.Fatal("64 MiB went to somebody who does not read")
	case <-time.After(300 * time.Millisecond):
	}
	if raceFlag == "" {
		if rss := residentOf(t, a.cmd.Process.Pid); rss > 32<<20 {
			t.Errorf("%d bytes resident", rss)
		}
	}
	up := make(chan []byte, 1)
	go func() {
		got := make([]byte, total)
		_, _ = io.ReadFull(c, got)
		up <- got
		<-sent
		<-sent
		_ = c.CloseWrite() // only now: it ends the stream
	}()
	down, err := io.ReadAll(x)
	must(t, err)
	if !bytes.Equal(down, data) {
		t.Fatal("other bytes came down")
	}
	if !bytes.Equal(<-up, data) {
		t.Fatal("other bytes went up")
	}
}

func TestTunnelsThatNobodyReadsHoldNoOtherCall(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	for range 20 {
		x := a.tunnel(p.port)
		p.accept()
		moved := make(chan struct{}, 1)
		go func() {
			for buf := make([]byte, 64<<10); ; {
				if _, err := x.PipeWriter.Write(buf); err != nil {
					return
				}
				select {
				case moved <- struct{}{}:
				default:
				}
			}
		}()
		for stuck := false; !stuck; {
			select {
			case <-moved:
			case <-time.After(100 * time.Millisecond):
				stuck = true
			}
		}
		t.Cleanup(func() { x.leave(); _ = x.PipeWriter.Close() })
	}
	a.run(command("true").with("user", fmt.Sprint(os.Getuid())))
}

func TestManyTunnelsAndNoMoreThanThat(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	a.want(200, "GET", "/v1/info", nil, nil)
	before := a.descriptors()
	const most = 512
	open := make(chan *tunnel, most)
	failed := make(chan error, most)
	for range most {
		go func() {
			x, err := a.tunnelTo(p.port)
			failed <- err
			open <- x
		}()
	}
	conns := make([]*net.TCPConn, most)
	for i := range most {
		conns[i] = p.accept()
	}
	for range most {
		must(t, <-failed)
	}
	if _, err := a.tunnelTo(p.port); err == nil || !strings.Contains(err.Error(), "TOO_MANY_TUNNELS") {
		t.Fatalf("one more: %v", err)
	}
	go func() {
		for _, c := range conns {
			_, _ = c.Write([]byte("x"))
		}
	}()
	all := make([]*tunnel, most)
	for i := range all {
		all[i] = <-open
		_, err := io.ReadFull(all[i], make([]byte, 1))
		must(t, err)
	}
	if raceFlag == "" {
		rss := residentOf(t, a.cmd.Process.Pid)
		t.Logf("%d tunnels: %d KiB resident", most, rss>>10)
		if rss > 48<<20 {
			t.Errorf("%d bytes resident", rss)
		}
	}
	for _, x := range all {
		x.leave()
	}
	waitFor(t, "the descriptors to be closed", func() bool { return a.descriptors() <= before })
	a.tunnel(p.port)
	p.accept()
}

func TestTunnelFindsWhereTheProgramListens(t *testing.T) {
	a := listening(t)
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "[::1]", "127.0.0.9", ownAddress(t)} {
		if host == "" {
			continue
		}
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Logf("%s: %v", host, err)
			continue
		}
		l.Close()
		p := listenOn(t, l.Addr().String())
		x := a.tunnel(p.port)
		exchange(t, p.accept(), x, "hello")
	}
}

// ownAddress is one of this machine that is not loopback, or empty.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return ""
}

// closedPort is one on which nothing listens.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTunnelErrors(t *testing.T) {
	a := listening(t)
	port := closedPort(t)
	if message := a.refused(502, "PORT_NOT_OPEN", "POST", fmt.Sprintf("/v1/tunnel?port=%d", port), nil); !strings.Contains(message, fmt.Sprint(port)) {
		t.Fatalf("%q does not name the port", message)
	}
	for _, bad := range []string{"", "?port=0", "?port=65536", "?port=-1", "?port=http", "?port="} {
		a.refused(400, "INVALID_REQUEST", "POST", "/v1/tunnel"+bad, nil)
	}
}
