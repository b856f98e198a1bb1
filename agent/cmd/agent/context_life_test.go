package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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

func TestContextFaults(t *testing.T) {
	needRoot(t)
	a := listening(t)
	c := a.context(contextSpec("bash"))
	for _, bad := range []struct {
		status int
		code   string
		change func(spec)
	}{
		{409, "CONTEXT_EXISTS", func(s spec) { s["id"] = c.ID }},
		{400, "LANGUAGE_NOT_FOUND", func(s spec) { s["language"] = "cobol" }},
		{400, "LANGUAGE_NOT_FOUND", func(s spec) { s["env"] = map[string]string{"PATH": "/nowhere"} }},
		{400, "CWD_NOT_FOUND", func(s spec) { s["cwd"] = "/nowhere" }},
		{400, "CWD_NOT_A_DIRECTORY", func(s spec) { s["cwd"] = "/etc/passwd" }},
		{400, "CWD_NOT_ACCESSIBLE", func(s spec) { s["cwd"] = "/root" }},
		{400, "INVALID_REQUEST", func(s spec) { s["cwd"] = "tmp" }},
		{400, "INVALID_REQUEST", func(s spec) { s["id"] = "../x" }},
		{400, "INVALID_REQUEST", func(s spec) { s["env"] = map[string]string{"A=B": "c"} }},
		{400, "USER_NOT_FOUND", func(s spec) { s["user"] = "nobody-here" }},
	} {
		s := contextSpec("bash")
		bad.change(s)
		if bad.code == "CWD_NOT_ACCESSIBLE" && canEnter("/root") {
			continue
		}
		a.refused(bad.status, bad.code, "POST", "/v1/contexts", s)
	}
	for _, bad := range []struct {
		code   string
		change func(spec)
	}{
		{"CWD_NOT_FOUND", func(s spec) { s["cwd"] = "/nowhere" }},
		{"INVALID_REQUEST", func(s spec) { s["id"] = "" }},
		{"INVALID_REQUEST", func(s spec) { s["timeout_ms"] = -1 }},
		{"INVALID_REQUEST", func(s spec) { s["display_bytes"] = 17 << 20 }},
		{"INVALID_REQUEST", func(s spec) { s["env"] = map[string]string{"": "c"} }},
	} {
		s := code("echo")
		bad.change(s)
		a.refused(400, bad.code, "POST", c.path("/run"), s)
	}
	first := code("echo")
	c.runSpec(first)
	a.refused(409, "PROCESS_EXISTS", "POST", c.path("/run"), first)
	a.refused(409, "PROCESS_EXISTS", "POST", "/v1/processes", command("true").with("id", first["id"]))
	for _, route := range []string{"GET ", "DELETE ", "POST /restart", "POST /interrupt", "POST /run"} {
		method, path, _ := strings.Cut(route, " ")
		a.refused(404, "CONTEXT_NOT_FOUND", method, "/v1/contexts/none"+path, spec{})
	}
	var list struct{ Contexts []contextInfo }
	a.want(200, "GET", "/v1/contexts", nil, &list)
	if len(list.Contexts) != 1 || list.Contexts[0].ID != c.ID || list.Contexts[0].Runs != 1 || list.Contexts[0].State != "idle" {
		t.Fatalf("%+v", list)
	}
}

func canEnter(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&1 != 0
}

func TestRunsOfAContextTakeTurns(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	running := c.beginAfter("ready\n", code("order = ['first']\n"+untilInterrupted))
	var waiting []*stream
	for i := range 3 {
		waiting = append(waiting, c.begin(code(fmt.Sprintf("order.append(%d); order", i))))
		waitForWaiting(c, i+1)
	}
	if st := c.status(waiting[0].id); st.State != "running" || st.PID != 0 {
		t.Fatalf("%+v", st)
	}
	if info := c.info(); info.State != "busy" || info.Runs != 1 {
		t.Fatalf("%+v", info)
	}
	c.want(200, "POST", "/v1/processes/"+waiting[1].id+"/kill", nil, nil)
	if res := waiting[1].read(); *res.last.Reason != "killed" || *res.last.ExitCode != 137 || res.last.StateLost {
		t.Fatalf("%+v", res.last)
	}
	c.want(204, "POST", c.path("/interrupt"), nil, nil)
	if res := running.read(); res.errorName() != "KeyboardInterrupt" || *res.last.Reason != "exited" || *res.last.ExitCode != 1 {
		t.Fatalf("%+v %+v", res.events, res.last)
	}
	if got := waiting[0].read().text() + waiting[2].read().text(); got != "['first', 0]['first', 0, 2]" {
		t.Fatal(got)
	}
	c.want(204, "POST", c.path("/interrupt"), nil, nil) // idle: nothing happens
	if got := c.run("len(order)").text(); got != "3" {
		t.Fatal(got)
	}
}

// waitForWaiting waits until so many runs of the agent wait their turn.
func waitForWaiting(c *testContext, n int) {
	c.t.Helper()
	waitFor(c.t, "the queue", func() bool {
		var list struct{ Processes []status }
		c.want(200, "GET", "/v1/processes", nil, &list)
		count := 0
		for _, st := range list.Processes {
			if st.State == "running" && st.PID == 0 && st.ContextID == c.ID {
				count++
			}
		}
		return count == n
	})
}

func TestQueueIsBoundedAndKeepsRunsWhoseReaderHasLeft(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	running := c.beginAfter("ready\n", code(untilInterrupted))
	ctx, leave := context.WithCancel(context.Background())
	left := code("6 * 7")
	resp, err := c.http.Do(c.request(ctx, "POST", c.path("/run"), left.with("follow", true)))
	must(t, err)
	defer resp.Body.Close()
	for range 63 {
		c.want(201, "POST", c.path("/run"), code("pass"), nil)
	}
	c.refused(503, "TOO_MANY_PROCESSES", "POST", c.path("/run"), code("pass"))
	leave()
	c.want(200, "GET", "/v1/info", nil, nil) // comes after the reset
	c.want(204, "POST", c.path("/interrupt"), nil, nil)
	running.read()
	again := c.open("GET", "/v1/processes/"+left["id"].(string)+"/output?offset=0&follow=1", nil)
	defer again.Body.Close()
	if res := readStream(t, again.Body); res.text() != "42" || *res.last.Reason != "exited" {
		t.Fatalf("%+v %+v", res.events, res.last)
	}
}

func TestTimeoutInterruptsAndThenReplaces(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	c.run("x = 1")
	res := c.runSpec(code(untilInterrupted).with("timeout_ms", 200))
	if *res.last.Reason != "timeout" || *res.last.ExitCode != 124 || res.last.StateLost || *res.last.Signal != "SIGINT" || res.errorName() != "KeyboardInterrupt" {
		t.Fatalf("%+v %+v", res.events, res.last)
	}
	if got := c.run("x").text(); got != "1" {
		t.Fatal(got)
	}
	m := mark()
	start := time.Now()
	res = c.runSpec(code("import subprocess\nsubprocess.Popen(['setsid', 'sleep', '"+m+"'])\n"+stubborn).with("timeout_ms", 200))
	if took := time.Since(start); took < 2*time.Second || took > 8*time.Second {
		t.Fatalf("took %v", took)
	}
	if *res.last.Reason != "timeout" || *res.last.ExitCode != 124 || !res.last.StateLost || *res.last.Signal != "SIGKILL" {
		t.Fatalf("%+v", res.last)
	}
	if n := alive("^sleep " + m); n != 0 {
		t.Fatalf("%d left", n)
	}
	next := c.run("'x' in globals()")
	if info := c.info(); next.text() != "False" || next.last.StateLost || info.Restarts != 1 || info.PID == c.PID {
		t.Fatalf("%+v %+v %+v", next.events, next.last, info)
	}
}

func TestTimeoutDoesNotCountTheWaiting(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	running := c.beginAfter("ready\n", code(untilInterrupted).with("timeout_ms", 600))
	waiting := c.begin(code("1").with("timeout_ms", 300))
	if res := running.read(); *res.last.Reason != "timeout" {
		t.Fatalf("%+v", res.last)
	}
	if res := waiting.read(); *res.last.Reason != "exited" || res.last.Wall > 0.3 {
		t.Fatalf("%+v", res.last)
	}
}

func TestKillOfARun(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	c.run("x = 1")
	running := c.beginAfter("ready\n", code(untilInterrupted))
	var k killed
	c.want(200, "POST", "/v1/processes/"+running.id+"/kill", spec{"reason": "killed"}, &k)
	if res := running.read(); !k.Complete || *res.last.Reason != "killed" || *res.last.ExitCode != 130 || res.last.StateLost {
		t.Fatalf("%+v %+v", k, res.last)
	}
	running = c.beginAfter("ready\n", code(stubborn))
	c.refused(400, "INVALID_REQUEST", "POST", "/v1/processes/"+running.id+"/signal", spec{"signal": "SIGTERM"})
	c.refused(400, "INVALID_REQUEST", "POST", "/v1/processes/"+running.id+"/stdin", nil)
	c.want(204, "DELETE", "/v1/processes/"+running.id, nil, nil)
	if res := running.read(); *res.last.Reason != "killed" || *res.last.ExitCode != 137 || !res.last.StateLost {
		t.Fatalf("%+v", res.last)
	}
	c.refused(404, "PROCESS_NOT_FOUND", "GET", "/v1/processes/"+running.id, nil)
}

func TestInterpreterThatEnds(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	for _, end := range []struct {
		code, reason, signal string
		exitCode             int
	}{
		{"print('last'); import os; os._exit(3)", "exited", "", 3},
		{"print('last', flush=True); import os; os.kill(os.getpid(), 9)", "signaled", "SIGKILL", 137},
		{"print('last', flush=True); import ctypes; ctypes.string_at(0)", "signaled", "SIGSEGV", 139},
	} {
		m := mark()
		c.run("x = 1; import subprocess; subprocess.Popen(['setsid', 'sleep', '" + m + "'])")
		running := c.begin(code(end.code))
		next := c.begin(code("'x' in globals()"))
		res := running.read()
		signal := ""
		if res.last.Signal != nil {
			signal = *res.last.Signal
		}
		if *res.last.Reason != end.reason || *res.last.ExitCode != end.exitCode || signal != end.signal || !res.last.StateLost || !strings.HasPrefix(string(res.stdout), "last") {
			t.Errorf("%q %+v %+v", res.stdout, res.events, res.last)
		}
		if res := next.read(); res.text() != "False" || res.last.StateLost {
			t.Errorf("%+v %+v", res.events, res.last)
		}
		if n := alive("^sleep " + m); n != 0 {
			t.Errorf("%d left", n)
		}
	}
}

func TestInterpreterThatEndsBetweenRuns(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	c.run("x = 1; import os, threading; r, w = os.pipe(); threading.Thread(target=lambda: (os.read(r, 1), os._exit(4)), daemon=True).start()")
	c.run("pid = os.fork()\nif pid == 0:\n  os.setsid()\n  import time; time.sleep(0.05); os.write(w, b'x'); os._exit(0)")
	waitFor(t, "its end", func() bool { return c.info().State == "dead" })
	if info := c.info(); info.PID != 0 || info.Restarts != 0 {
		t.Fatalf("%+v", info)
	}
	if res := c.run("'x' in globals()"); res.text() != "False" || !res.last.StateLost {
		t.Fatalf("%+v %+v", res.events, res.last)
	}
	if res := c.run("1"); res.last.StateLost {
		t.Fatal("it was told already")
	}
	if info := c.info(); info.Restarts != 1 || info.State != "idle" {
		t.Fatalf("%+v", info)
	}
}

func TestRestart(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	m := mark()
	c.run("x = 1; import subprocess; subprocess.Popen(['setsid', 'sleep', '" + m + "'])")
	running := c.beginAfter("ready\n", code(stubborn))
	waiting := c.begin(code("'x' in globals()"))
	waitForWaiting(c, 1)
	var info contextInfo
	c.want(200, "POST", c.path("/restart"), nil, &info)
	if info.Restarts != 1 || info.PID == c.PID || info.PID == 0 {
		t.Fatalf("%+v", info)
	}
	if res := running.read(); *res.last.Reason != "restarted" || !res.last.StateLost || *res.last.ExitCode != 137 {
		t.Fatalf("%+v", res.last)
	}
	if res := waiting.read(); res.text() != "False" || res.last.StateLost {
		t.Fatalf("%+v %+v", res.events, res.last)
	}
	if n := alive("^sleep " + m); n != 0 {
		t.Fatalf("%d left", n)
	}
	done := make(chan int, 4)
	for range cap(done) {
		go func() {
			resp, err := c.http.Do(c.request(context.Background(), "POST", c.path("/restart"), nil))
			if err != nil {
				done <- 0
				return
			}
			resp.Body.Close()
			done <- resp.StatusCode
		}()
	}
	for range cap(done) {
		if got := <-done; got != 200 {
			t.Fatal(got)
		}
	}
	if info := c.info(); info.State != "idle" || c.run("1").text() != "1" {
		t.Fatalf("%+v", info)
	}
}

func TestOutputBetweenRunsGoesToTheNext(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	fifo := filepath.Join("/tmp", mark())
	c.run("mkfifo " + fifo + " " + fifo + "2; (read -r go <" + fifo + "; head -c 100000 /dev/zero | tr '\\0' x; echo; echo late; echo done >" + fifo + "2) &")
	defer os.Remove(fifo)
	defer os.Remove(fifo + "2")
	must(t, os.WriteFile(fifo, []byte("go\n"), 0))
	_, err := os.ReadFile(fifo + "2")
	must(t, err)
	res := c.run("echo now")
	if out := string(res.stdout); !strings.HasSuffix(out, "x\nlate\nnow\n") || len(out) > 64<<10+4 || res.gap+uint64(len(out)) != 100010 {
		t.Fatalf("%d bytes, gap %d, %q", len(out), res.gap, out[max(0, len(out)-20):])
	}
	if int64(res.gap)+int64(len(res.stdout)) != res.last.Output || res.last.Dropped != int64(res.gap) {
		t.Fatalf("%+v", res.last)
	}
	if res := c.run("echo again"); string(res.stdout) != "again\n" {
		t.Fatalf("%q", res.stdout)
	}
}

func TestEventsComeInOrderAndReplay(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	s := code("import sys\nfor i in range(50):\n  print('a', i)\n  display(i)\n  print('b', i, file=sys.stderr)\n'x' * 3_000_000")
	whole := c.runSpec(s)
	if len(whole.events) != 51 || whole.events[50].Type != "display" || len(whole.events[50].Data["text/plain"]) < 100 {
		t.Fatalf("%d events", len(whole.events))
	}
	next := 0
	for _, kind := range whole.kinds {
		if kind == 6 {
			next++
		}
	}
	if next != 51 || whole.kinds[1] != 1 || whole.kinds[2] != 6 {
		t.Fatalf("%v", whole.kinds[:8])
	}
	for _, offset := range []int64{0, 3, 20, whole.last.Output - 10, whole.last.Output} {
		resp := c.open("GET", fmt.Sprintf("/v1/processes/%s/output?follow=1&offset=%d", s["id"], offset), nil)
		res := readStream(t, resp.Body)
		resp.Body.Close()
		if res.payload+int64(res.gap) != whole.last.Output-offset || !res.ended {
			t.Fatalf("offset %d: %d bytes, gap %d of %d", offset, res.payload, res.gap, whole.last.Output)
		}
	}
}

func TestHostileDrivers(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	for _, attack := range []string{
		`os.write(4, b"nonsense\n")`,
		`os.write(4, b"{\n")`,
		`os.write(4, b"x" * 20_000_000)`,
		`os.close(4)`,
		`os.dup2(os.open("/dev/null", os.O_RDONLY), 3)`,
	} {
		c.run("x = 1")
		start := time.Now()
		if strings.Contains(attack, "dup2") {
			c.run("import os\n" + attack) // nobody can tell, until the next run can't be read
			continue
		}
		res := c.run("import os, time\n" + attack + "\nprint('on', flush=True)\ntime.sleep(60)")
		if !res.last.StateLost || res.errorName() != "InterpreterBroken" || *res.last.Reason != "killed" || time.Since(start) > 10*time.Second {
			t.Errorf("%s: %+v %+v", attack, res.events, res.last)
		}
		if res := c.run("'x' in globals()"); res.text() != "False" {
			t.Errorf("%s: %+v", attack, res.events)
		}
	}
	// What is well formed and wrong is for nobody, or the run's own harm.
	forged := c.run(`import os
os.write(4, b'{"type":"end","id":"other","exit_code":0}\n{"type":"ready","version":"9"}\n{"type":"started","id":"other"}\n{"type":"new"}\n[]\n')
5`)
	if forged.text() != "5" && forged.errorName() != "InterpreterBroken" {
		t.Errorf("%+v %+v", forged.events, forged.last)
	}
	if got := c.run("6").text(); got != "6" {
		t.Error(got)
	}
}

func TestInterpreterThatDoesNotStart(t *testing.T) {
	needRoot(t)
	a := listening(t)
	env, write := fakePython(t)
	m := mark()
	fake := func(script string) spec {
		write(script)
		return contextSpec("python").with("env", env)
	}
	for script, words := range map[string]string{
		"echo 'it is too old' >&2; exit 9":      "python3 ended while it started, with exit code 9: it is too old",
		"kill -9 $$":                            "by SIGKILL",
		"echo nonsense >&4; sleep " + m:         "descriptor 4",
		`echo '{"type":"end"}' >&4; sleep ` + m: "did not say that it is ready",
		"exec 4>&-; sleep " + m:                 "python3 closed descriptor 4",
	} {
		if message := a.refused(400, "LANGUAGE_NOT_FOUND", "POST", "/v1/contexts", fake(script)); !strings.Contains(message, words) {
			t.Errorf("%s: %s", script, message)
		}
	}
	// Who leaves while it starts leaves nothing behind.
	ctx, leave := context.WithCancel(context.Background())
	answered := make(chan struct{})
	never := fake("sleep " + m)
	go func() {
		defer close(answered)
		if resp, err := a.http.Do(a.request(ctx, "POST", "/v1/contexts", never)); err == nil {
			resp.Body.Close()
		}
	}()
	waitFor(t, "the start", func() bool { return alive("^sleep "+m) == 1 })
	if got := (&testContext{agent: a, contextInfo: contextInfo{ID: never["id"].(string)}}).info(); got.State != "starting" {
		t.Errorf("%+v", got)
	}
	leave()
	<-answered
	waitFor(t, "nothing to be left", func() bool { return alive("^sleep "+m) == 0 })
	var list struct{ Contexts []contextInfo }
	waitFor(t, "no context to be left", func() bool {
		a.want(200, "GET", "/v1/contexts", nil, &list)
		return len(list.Contexts) == 0
	})
	// A context that can't have a new interpreter says so to its runs.
	c := a.context(fake("exec /usr/bin/python3 \"$@\""))
	c.run("import os; os._exit(1)")
	fake("echo 'gone now' >&2; exit 3")
	if res := c.run("1"); res.errorName() != "InterpreterNotStarted" || !strings.Contains(res.events[0].Value, "gone now") || *res.last.ExitCode != 127 || !res.last.StateLost {
		t.Errorf("%+v %+v", res.events, res.last)
	}
	a.refused(400, "LANGUAGE_NOT_FOUND", "POST", c.path("/restart"), nil)
	if info := c.info(); info.State != "dead" {
		t.Errorf("%+v", info)
	}
	fake("exec /usr/bin/python3 \"$@\"")
	if got := c.run("2").text(); got != "2" {
		t.Error(got)
	}
}

// fakePython is a folder whose python3 is a shell script, which may call the real one.
func fakePython(t *testing.T) (env map[string]string, write func(script string)) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "k2-fake-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	return map[string]string{"PATH": dir + ":/usr/bin:/bin", "DIR": dir}, func(script string) {
		must(t, os.WriteFile(filepath.Join(dir, "python3"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
}

func TestRunThatItsInterpreterDidNotLiveToBegin(t *testing.T) {
	needRoot(t)
	env, write := fakePython(t)
	write(`if [ -e $DIR/twice ]; then exec /usr/bin/python3 "$@"; fi
if [ -e $DIR/once ]; then touch $DIR/twice; else touch $DIR/once; fi
echo first >&2; echo '{"type":"ready","version":"0"}' >&4; read -r line <&3; echo dying >&2`)
	c := listening(t).context(contextSpec("python").with("env", env))
	res := c.run("1") // it has one more try, not two
	if string(res.stderr) != "first\ndying\nfirst\ndying\n" || res.errorName() != "InterpreterExited" || !res.last.StateLost {
		t.Errorf("%q %+v %+v", res.stderr, res.events, res.last)
	}
	must(t, os.Remove(filepath.Join(env["DIR"], "twice")))
	res = c.run("2")
	if string(res.stderr) != "first\ndying\n" || res.text() != "2" || !res.last.StateLost {
		t.Errorf("%q %+v %+v", res.stderr, res.events, res.last)
	}
	if info := c.info(); info.Runs != 2 || info.Restarts != 3 {
		t.Errorf("%+v", info)
	}
}

func TestManyContextsAndTheirEnd(t *testing.T) {
	needRoot(t)
	a := listening(t)
	m := mark()
	var all []*testContext
	for range 64 {
		all = append(all, a.context(contextSpec("bash")))
	}
	a.refused(503, "TOO_MANY_CONTEXTS", "POST", "/v1/contexts", contextSpec("bash"))
	for i, c := range all {
		c.run(fmt.Sprintf("x=%d; setsid sleep %s &", i, m))
	}
	for i, c := range all {
		c.expect(cell{code: "echo $x", stdout: fmt.Sprintln(i)})
	}
	running := all[0].beginAfter("ready\n", code("trap '' INT; echo ready; while :; do :; done"))
	waiting := all[0].begin(code("echo"))
	waitForWaiting(all[0], 1)
	a.want(204, "DELETE", all[0].path(""), nil, nil)
	for _, run := range []*stream{running, waiting} {
		if res := run.read(); *res.last.Reason != "killed" || res.last.StateLost != (run == running) {
			t.Errorf("%+v", res.last)
		}
	}
	a.refused(404, "CONTEXT_NOT_FOUND", "GET", all[0].path(""), nil)
	a.refused(404, "CONTEXT_NOT_FOUND", "POST", all[0].path("/run"), code("echo"))
	if n := alive("^sleep " + m); n != 63 {
		t.Errorf("%d left", n)
	}
	start := time.Now()
	a.want(204, "POST", "/v1/shutdown", spec{"grace_ms": 5000}, nil)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("idle interpreters took %v to end", took)
	}
	if n := alive("^sleep " + m); n != 0 {
		t.Errorf("%d left", n)
	}
	waitFor(t, "all to be dead", func() bool { return all[1].info().State == "dead" })
	if res := all[1].run("echo"); res.errorName() != "InterpreterNotStarted" {
		t.Errorf("%+v %+v", res.events, res.last)
	}
	a.refused(503, "SHUTTING_DOWN", "POST", "/v1/contexts", contextSpec("bash").with("id", "late"))
}

func TestSlowFollowerHoldsARunUpAndLosesNothing(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("python"))
	running := c.begin(code("for i in range(30):\n  print('x' * 1_000_000)\n  display('y' * 500_000)\n'end'").with("buffer_bytes", 65536).with("display_bytes", 1<<20))
	var before int64
	waitFor(t, "output to stand still", func() bool {
		now := c.status(running.id).Output
		stands := now == before && now > 0
		before = now
		time.Sleep(50 * time.Millisecond)
		return stands
	})
	res := running.read()
	if len(res.stdout) != 30*1_000_001 || len(res.events) != 31 || res.gap != 0 {
		t.Fatalf("%d bytes, %d events, gap %d", len(res.stdout), len(res.events), res.gap)
	}
	// Nobody follows: the oldest go, events as a whole.
	s := code("for i in range(30):\n  print('x' * 100_000)\n  display('y' * 500_000)").with("buffer_bytes", 65536).with("display_bytes", 1<<20)
	c.want(201, "POST", c.path("/run"), s, nil)
	waitFor(t, "the end", func() bool { return c.status(s["id"].(string)).State == "exited" })
	resp := c.open("GET", "/v1/processes/"+s["id"].(string)+"/output", nil)
	defer resp.Body.Close()
	late := readStream(t, resp.Body)
	if st := c.status(s["id"].(string)); late.gap == 0 || int64(late.gap)+late.payload != st.Output || late.payload > 2<<20 {
		t.Fatalf("%d and gap %d of %+v", late.payload, late.gap, st)
	}
}

func TestClientThatLeavesDoesNotEndItsRun(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	fifo := filepath.Join("/tmp", mark())
	c.run("mkfifo " + fifo)
	defer os.Remove(fifo)
	ctx, leave := context.WithCancel(context.Background())
	s := code("echo ready; read -r x <"+fifo+"; echo $x").with("follow", true)
	resp, err := c.http.Do(c.request(ctx, "POST", c.path("/run"), s))
	must(t, err)
	readUntil(t, resp.Body, "ready\n")
	leave()
	resp.Body.Close()
	must(t, os.WriteFile(fifo, []byte("on\n"), 0))
	waitFor(t, "its end", func() bool { return c.status(s["id"].(string)).State == "exited" })
	resp = c.open("GET", "/v1/processes/"+s["id"].(string)+"/output?offset=6", nil)
	defer resp.Body.Close()
	if res := readStream(t, resp.Body); string(res.stdout) != "on\n" || *res.last.ExitCode != 0 {
		t.Fatalf("%q %+v", res.stdout, res.last)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}
