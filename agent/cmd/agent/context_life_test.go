package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
