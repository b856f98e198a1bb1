package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// dialled starts an agent that dials a socket of ours.
func dialled(t *testing.T) (*agent, *net.UnixListener) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	a := spawn(t, []string{"K2_AGENT_TOKEN=" + token}, "serve", "--dial", path)
	must(t, a.cmd.Start())
	t.Cleanup(a.stop)
	return a, l
}

// greet accepts the agent's next connection, reads its hello and answers.
func greet(t *testing.T, l *net.UnixListener, answer string) net.Conn {
	t.Helper()
	must(t, l.SetDeadline(time.Now().Add(10*time.Second)))
	conn, err := l.Accept()
	must(t, err)
	hello := make([]byte, 75)
	_, err = io.ReadFull(conn, hello)
	must(t, err)
	if string(hello) != "K2AGENT/1 "+token+"\n" {
		t.Fatalf("hello %q", hello)
	}
	_, err = io.WriteString(conn, answer)
	must(t, err)
	return conn
}

func (a *agent) over(conn net.Conn) {
	a.http = h2client(func(context.Context) (net.Conn, error) {
		if conn == nil {
			return nil, net.ErrClosed
		}
		c := conn
		conn = nil
		return c, nil
	})
}

func TestDialServesAndRedialsWithItsProcesses(t *testing.T) {
	needRoot(t)
	a, l := dialled(t)
	conn := greet(t, l, "OK\n")
	a.over(conn)
	var info struct {
		BootID    string `json:"boot_id"`
		Protocol  int
		PID       int
		Processes int
		Version   string
	}
	a.want(200, "GET", "/v1/info", nil, &info)
	if info.Protocol != 1 || info.PID != a.cmd.Process.Pid || info.Version != "test" || len(info.BootID) < 16 {
		t.Fatalf("%+v", info)
	}
	s := command("i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); sleep 0.02; done").with("follow", true)
	resp := a.open("POST", "/v1/processes", s)
	readUntil(t, resp.Body, "3\n")
	conn.Close()
	resp.Body.Close()
	conn = greet(t, l, "OK\n")
	defer conn.Close()
	a.over(conn)
	before := info.BootID
	a.want(200, "GET", "/v1/info", nil, &info)
	if info.BootID != before || info.Processes != 1 {
		t.Fatalf("%+v", info)
	}
	out := a.open("GET", "/v1/processes/"+s["id"].(string)+"/output?offset=0&follow=1", nil)
	res := readStream(t, out.Body)
	if !res.ended || !strings.HasPrefix(string(res.stdout), "0\n1\n2\n") || !strings.HasSuffix(string(res.stdout), "38\n39\n") || res.gap != 0 {
		t.Fatalf("%+v", res)
	}
}

func TestDialRetriesWhenRefusedOrAnsweredWrongly(t *testing.T) {
	a, l := dialled(t)
	greet(t, l, "").Close()
	greet(t, l, "NO\n").Close()
	conn := greet(t, l, "OK\n")
	defer conn.Close()
	a.over(conn)
	a.want(200, "GET", "/v1/info", nil, nil)
	// While one connection lives there is no second.
	must(t, l.SetDeadline(time.Now().Add(200*time.Millisecond)))
	if c, err := l.Accept(); err == nil {
		c.Close()
		t.Fatal("a second connection")
	}
}

func TestTheTokenIsNowhereInTheEnvironment(t *testing.T) {
	needRoot(t)
	a, l := dialled(t)
	conn := greet(t, l, "OK\n")
	defer conn.Close()
	a.over(conn)
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(a.cmd.Process.Pid) + "/environ")
	must(t, err)
	if strings.Contains(string(environ), token[:8]) || strings.Contains(string(environ), "K2_AGENT") {
		t.Fatal("the token is in environ")
	}
	if res := a.run(command("env")); strings.Contains(string(res.stdout), "K2_") {
		t.Fatalf("%q", res.stdout)
	}
	// As another user nothing of the agent can be read.
	res := a.run(command("cat /proc/" + strconv.Itoa(a.cmd.Process.Pid) + "/environ /proc/" + strconv.Itoa(a.cmd.Process.Pid) + "/maps; ls /proc/" + strconv.Itoa(a.cmd.Process.Pid) + "/fd"))
	if len(res.stdout) != 0 {
		t.Fatalf("%q", res.stdout)
	}
}

func TestListenServesItsOwnUidOnly(t *testing.T) {
	needRoot(t)
	a := listening(t)
	a.want(200, "GET", "/v1/info", nil, nil)
	path := a.cmd.Args[3]
	dir, err := os.Stat(filepath.Dir(path))
	must(t, err)
	sock, err := os.Stat(path)
	must(t, err)
	if dir.Mode().Perm() != 0o700 || sock.Mode().Perm() != 0o600 {
		t.Fatal(dir.Mode(), sock.Mode())
	}
	// Even where the folder was opened, another uid is hung up on.
	for p := filepath.Dir(path); p != "/tmp"; p = filepath.Dir(p) {
		must(t, os.Chmod(p, 0o755))
	}
	must(t, os.Chmod(path, 0o666))
	cmd := exec.Command("curl", "-s", "--http2-prior-knowledge", "--unix-socket", path, "http://a/v1/info")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	if out, err := cmd.CombinedOutput(); err == nil || len(out) > 0 {
		t.Fatalf("served another uid: %q", out)
	}
}

func TestConnectJoinsStdioAndChecksThePeer(t *testing.T) {
	needRoot(t)
	a := listening(t)
	a.want(200, "GET", "/v1/info", nil, nil)
	path := a.cmd.Args[3]
	if out, err := exec.Command(binary1, "connect", path).CombinedOutput(); err == nil || !strings.Contains(string(out), "not to the agent") {
		t.Fatalf("joined what is not PID 1: %v %q", err, out)
	}
	b := spawn(t, nil, "connect", "--any-peer", path)
	b.pipe()
	b.want(200, "GET", "/v1/info", nil, nil)
	if res := b.run(command("head -c 5000000 /dev/zero")); len(res.stdout) != 5000000 {
		t.Fatalf("%d bytes", len(res.stdout))
	}
	b.hangUp()
}

// pipe starts the program and calls over its standard streams.
func (a *agent) pipe() {
	a.t.Helper()
	in, err := a.cmd.StdinPipe()
	must(a.t, err)
	out, err := a.cmd.StdoutPipe()
	must(a.t, err)
	must(a.t, a.cmd.Start())
	a.over(&pipeConn{bufio.NewReader(out), in})
}

// hangUp closes standard input: the program must end by itself.
func (a *agent) hangUp() {
	a.t.Helper()
	a.http.CloseIdleConnections()
	done := make(chan error, 1)
	go func() { done <- a.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			a.t.Fatalf("ended with %v: %s", err, a.log)
		}
	case <-time.After(10 * time.Second):
		_ = a.cmd.Process.Kill()
		a.t.Fatal("did not end with its connection")
	}
}

type pipeConn struct {
	io.Reader
	io.WriteCloser
}

func (*pipeConn) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (*pipeConn) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (*pipeConn) SetDeadline(time.Time) error      { return nil }
func (*pipeConn) SetReadDeadline(time.Time) error  { return nil }
func (*pipeConn) SetWriteDeadline(time.Time) error { return nil }

func TestStdioServesOneConnectionAndLeavesNothing(t *testing.T) {
	a := spawn(t, nil, "serve", "--stdio")
	a.pipe()
	m := mark()
	s := command("setsid sleep " + m + " & sleep " + m)
	s["user"] = strconv.Itoa(os.Getuid())
	a.start(s)
	waitFor(t, "both to run", func() bool { return alive("^sleep "+m) == 2 })
	a.hangUp()
	if n := alive("^sleep " + m); n != 0 {
		t.Fatalf("%d left", n)
	}
}

func TestAgentRefusesHTTP1(t *testing.T) {
	needRoot(t)
	a := listening(t)
	a.want(200, "GET", "/v1/info", nil, nil)
	path := a.cmd.Args[3]
	c := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	resp, err := c.Get("http://a/v1/info")
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode == 200 {
			t.Fatal("HTTP/1 was served")
		}
	}
}
