package main

import (
	"encoding/json"
	"io"
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

func TestBashScratch(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	for _, text := range []string{
		"echo hi $OF_CONTEXT; x=5; f() { echo f $x; }; alias ll='echo LL'; cd /usr; trap 'echo usr1' USR1; shopt -s extglob",
		"f; ll; pwd; kill -USR1 $$; shopt extglob; false",
		"echo $?; echo \"$(compgen -v | grep -c k2)\"; ls -l /proc/self/fd | grep -v total | cut -d' ' -f9-; exit 3",
		"exit 0; echo not", "if", "echo a\necho 'b", "set -e\nfalse\necho not", "echo $-; set +e; echo $-", "set -u\necho $nope\necho not",
		"set +u; echo ${x?bad}; echo ${y?bad}\necho not", "cat <<E\nhe $x\nE\n", "read l; echo read $?", "(exit 4)", "(exit 4); echo ok",
		"sleep 0.05 &", "wait; echo w; f2() { exit 9; }; echo x | f2; f2; echo not", "set -x; echo traced", "echo traced2; set +x", "echo $LINENO\necho $LINENO",
		"trap 'echo int' INT; exit 7", "trap -p INT; trap - INT; PS1='chatter '; PROMPT_COMMAND='echo pc'; set -v", "echo after; set +v",
		"echo 'ü \\ \" $x'; printf '%s\\n' $'\\x01'; echo $LANG", "false; set -e; f3() { false; echo not; }; f3", "echo e $-; set +e; declare -A m=([a]=1); readonly R=1",
		"echo ${m[a]} $R; break; continue; return 3", "set -e; if false; then :; fi; false || echo ok; (false; echo no); echo not", "set +e; [[ $- == *E* ]] && echo E; trap -p",
		"trap 'echo err' ERR; false", "false; trap - ERR", "set -e; trap 'echo err' ERR; false; echo not", "echo alive; ls /nonexistent",
	} {
		res := c.run(text)
		t.Logf("%q\n   -> %q | %q | code %d reason %s lost %v %+v", text, res.stdout, res.stderr, *res.last.ExitCode, *res.last.Reason, res.last.StateLost, res.events)
	}
}
