package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k2sandbox.dev/agent/internal/mixed"
)

const user = "1000:1000"

var binary1 string // the built agent

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "k2-agent-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil {
			panic(err)
		}
		binary1 = filepath.Join(dir, "agent")
		args := []string{"build", "-trimpath", "-ldflags", "-X main.version=test"}
		if raceFlag != "" {
			args = append(args, raceFlag)
		}
		if out, err := exec.Command("go", append(args, "-o", binary1, ".")...).CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// agent is a running agent and a client of it.
type agent struct {
	t    *testing.T
	cmd  *exec.Cmd
	http *http.Client
	log  *bytes.Buffer
}

func h2client(dial func(context.Context) (net.Conn, error)) *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{
		Protocols:   &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		HTTP2:       &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20, MaxReceiveBufferPerConnection: 4 << 20},
	}}
}

func spawn(t *testing.T, env []string, args ...string) *agent {
	t.Helper()
	a := &agent{t: t, cmd: exec.Command(binary1, args...), log: &bytes.Buffer{}}
	a.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1 atexit_sleep_ms=0"}, env...)
	a.cmd.Stderr = a.log
	return a
}

// stop ends the agent the way an engine does, and fails on what it said.
func (a *agent) stop() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	_ = a.cmd.Wait()
	if strings.Contains(a.log.String(), "DATA RACE") || strings.Contains(a.log.String(), "panic") || strings.Contains(a.log.String(), "fatal error") {
		a.t.Errorf("the agent said:\n%s", a.log)
	}
}

// listening starts an agent on a socket.
func listening(t *testing.T) *agent {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "run", "agent.sock")
	a := spawn(t, nil, "serve", "--listen", path)
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	a.http = h2client(dialUntil(path))
	t.Cleanup(a.http.CloseIdleConnections)
	return a
}

// dialUntil dials a socket that is about to exist.
func dialUntil(path string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		for {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
			if err == nil {
				return conn, nil
			}
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

var shared struct {
	sync.Mutex
	n atomic.Int64
}

func nextID() string { return fmt.Sprintf("t%d", shared.n.Add(1)) }

func (a *agent) do(method, path string, body any, headers ...string) (*http.Response, []byte) {
	a.t.Helper()
	resp := a.open(method, path, body, headers...)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, data
}

func (a *agent) open(method, path string, body any, headers ...string) *http.Response {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	a.t.Cleanup(cancel)
	resp, err := a.http.Do(a.request(ctx, method, path, body, headers...))
	if err != nil {
		a.t.Fatalf("%s %s: %v\n%s", method, path, err, a.log)
	}
	return resp
}

func (a *agent) request(ctx context.Context, method, path string, body any, headers ...string) *http.Request {
	a.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		r = bytes.NewReader(b)
	case string:
		r = strings.NewReader(b)
	case io.Reader:
		r = b
	default:
		data, err := json.Marshal(b)
		if err != nil {
			a.t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, r)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// want does a call that must answer with status, and decodes the body into what into points to.
func (a *agent) want(status int, method, path string, body any, into any) {
	a.t.Helper()
	resp, data := a.do(method, path, body)
	if resp.StatusCode != status {
		a.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, data)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			a.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
}

// refused does a call that must fail with code.
func (a *agent) refused(status int, code, method, path string, body any) string {
	a.t.Helper()
	var e struct{ Code, Message string }
	a.want(status, method, path, body, &e)
	if e.Code != code || e.Message == "" {
		a.t.Fatalf("%s %s: %+v, want code %s", method, path, e, code)
	}
	return e.Message
}

func file(route, path, user string, more ...string) string {
	q := "?path=" + url.PathEscape(path) + "&user=" + user
	for _, m := range more {
		q += "&" + m
	}
	return "/v1/files" + route + q
}

type status struct {
	ID        string
	PID       int
	Argv      []string
	State     string
	ExitCode  *int   `json:"exit_code"`
	EndedAt   *int64 `json:"ended_at"`
	Signal    *string
	Reason    *string
	Leftovers int
	Output    int64   `json:"output_bytes"`
	Dropped   int64   `json:"dropped_bytes"`
	CPU       float64 `json:"cpu_seconds"`
	Memory    int64   `json:"peak_memory_bytes"`
	Wall      float64 `json:"wall_seconds"`
	ContextID string  `json:"context_id"`
	StateLost bool    `json:"state_lost"`
	PTY       *size
}

// result is a whole mixed stream.
type result struct {
	first, last    status
	ended          bool
	stdout, stderr []byte
	gap            uint64
	times          []uint64
	kinds          []byte
	events         []runEvent
	payload        int64 // bytes of data and events
}

func readStream(t *testing.T, r io.Reader) result {
	t.Helper()
	var res result
	for {
		kind, payload, err := readFrame(r)
		if err == io.EOF {
			return res
		}
		if err != nil {
			t.Fatalf("stream: %v", err)
		}
		res.add(t, kind, payload)
	}
}

func readFrame(r io.Reader) (byte, []byte, error) {
	var h [mixed.HeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(h[4:]))
	_, err := io.ReadFull(r, payload)
	return h[0], payload, err
}

func (res *result) add(t *testing.T, kind byte, payload []byte) {
	t.Helper()
	if res.ended {
		t.Fatalf("frame %d after the end", kind)
	}
	res.kinds = append(res.kinds, kind)
	if kind == mixed.Stdout || kind == mixed.Stderr || kind == mixed.Event {
		res.payload += int64(len(payload))
	}
	switch kind {
	case mixed.Started:
		decode(t, payload, &res.first)
	case mixed.Ended:
		decode(t, payload, &res.last)
		res.ended = true
	case mixed.Stdout:
		res.stdout = append(res.stdout, payload...)
	case mixed.Stderr:
		res.stderr = append(res.stderr, payload...)
	case mixed.Time:
		res.times = append(res.times, binary.BigEndian.Uint64(payload))
	case mixed.Event:
		var e runEvent
		decode(t, payload, &e)
		res.events = append(res.events, e)
	case mixed.Gap:
		res.gap += binary.BigEndian.Uint64(payload)
	default:
		t.Fatalf("frame type %d", kind)
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

type spec map[string]any

func command(script string) spec {
	return spec{
		"id": nextID(), "argv": []string{"/bin/sh", "-c", script}, "cwd": "/tmp", "user": user,
		"env": map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin"},
	}
}

func (s spec) with(name string, value any) spec { s[name] = value; return s }

// run starts a process and reads it to its end.
func (a *agent) run(s spec) result {
	a.t.Helper()
	resp := a.open("POST", "/v1/processes", s.with("follow", true))
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		data, _ := io.ReadAll(resp.Body)
		a.t.Fatalf("start: %d %s", resp.StatusCode, data)
	}
	res := readStream(a.t, resp.Body)
	if !res.ended {
		a.t.Fatal("the stream ended without its last frame")
	}
	return res
}

// start starts a process without following it.
func (a *agent) start(s spec) status {
	a.t.Helper()
	var st status
	a.want(201, "POST", "/v1/processes", s, &st)
	return st
}

// waitFor polls until ok, for what no event tells.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}
