package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// contextInfo is what the routes tell of a context.
type contextInfo struct {
	ID, Language, Version, Cwd, User, State string
	PID                                     int
	Created                                 int64 `json:"created_at"`
	Runs                                    int   `json:"execution_count"`
	Restarts                                int
}

// testContext is a context of an agent.
type testContext struct {
	*agent
	contextInfo
}

func contextSpec(language string) spec {
	return spec{
		"id": nextID(), "language": language, "cwd": "/tmp", "user": user,
		"env": map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "OF_CONTEXT": "yes"},
	}
}

func (a *agent) context(s spec) *testContext {
	a.t.Helper()
	c := &testContext{agent: a}
	a.want(201, "POST", "/v1/contexts", s, &c.contextInfo)
	if c.State != "idle" || c.PID <= 1 || c.Version == "" {
		a.t.Fatalf("%+v", c.contextInfo)
	}
	return c
}

func (c *testContext) path(more string) string { return "/v1/contexts/" + c.ID + more }

func (c *testContext) info() contextInfo {
	c.t.Helper()
	var info contextInfo
	c.want(200, "GET", c.path(""), nil, &info)
	return info
}

func code(text string) spec { return spec{"id": nextID(), "code": text} }

// run runs code to its end.
func (c *testContext) run(text string) result { c.t.Helper(); return c.runSpec(code(text)) }

func (c *testContext) runSpec(s spec) result {
	c.t.Helper()
	return c.begin(s).read()
}

// stream is a run that is followed.
type stream struct {
	t    *testing.T
	body io.ReadCloser
	id   string
}

func (c *testContext) begin(s spec) *stream {
	c.t.Helper()
	resp := c.open("POST", c.path("/run"), s.with("follow", true))
	if resp.StatusCode != 200 {
		data, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("run: %d %s", resp.StatusCode, data)
	}
	return &stream{c.t, resp.Body, s["id"].(string)}
}

func (s *stream) read() result {
	s.t.Helper()
	defer s.body.Close()
	res := readStream(s.t, s.body)
	if !res.ended {
		s.t.Fatal("the stream ended without its last frame")
	}
	return res
}

// runEvent is a type 6 frame.
type runEvent struct {
	Type, ID, Name, Value string
	Traceback             []string
	Data                  map[string]json.RawMessage
	Main                  bool
}

func TestContextKeepsItsState(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	res := c.run("x = 41\nprint('out')\nimport sys; print('err', file=sys.stderr)\nx + 1")
	if string(res.stdout) != "out\n" || string(res.stderr) != "err\n" || *res.last.ExitCode != 0 || *res.last.Reason != "exited" {
		t.Fatalf("%q %q %+v", res.stdout, res.stderr, res.last)
	}
	if len(res.events) != 1 || string(res.events[0].Data["text/plain"]) != `"42"` || !res.events[0].Main {
		t.Fatalf("%+v", res.events)
	}
	if res := c.run("x"); string(res.events[0].Data["text/plain"]) != `"41"` || res.last.StateLost || res.last.ContextID != c.ID || res.last.PID != c.PID {
		t.Fatalf("%+v %+v", res.events, res.last)
	}
}

// text is the main value of a Python run.
func (res result) text() string {
	for _, e := range res.events {
		if e.Type == "display" && e.Main {
			return strings.Trim(string(e.Data["text/plain"]), `"`)
		}
	}
	return ""
}

func (res result) errorName() string {
	for _, e := range res.events {
		if e.Type == "error" {
			return e.Name
		}
	}
	return ""
}

func (a *agent) status(id string) status {
	a.t.Helper()
	var st status
	a.want(200, "GET", "/v1/processes/"+id, nil, &st)
	return st
}

// beginAfter begins a run and waits for what it prints first.
func (c *testContext) beginAfter(text string, s spec) *stream {
	c.t.Helper()
	run := c.begin(s)
	readUntil(c.t, run.body, text)
	return run
}

const (
	untilInterrupted = "print('ready', flush=True)\nwhile True: pass"
	stubborn         = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('ready', flush=True)\nwhile True: pass"
)
