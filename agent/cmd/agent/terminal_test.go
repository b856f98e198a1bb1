package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k2sandbox.dev/agent/internal/mixed"
)

type size struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

// terminal is a process on a terminal, and its follower.
type terminal struct {
	*agent
	path string // of its routes
	body io.ReadCloser
}

// terminal starts s on a terminal of 80 by 24.
func (a *agent) terminal(s spec) *terminal {
	a.t.Helper()
	resp := a.open("POST", "/v1/processes", s.with("pty", size{80, 24}).with("follow", true))
	a.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(resp.Body)
		a.t.Fatalf("start: %d %s", resp.StatusCode, data)
	}
	return &terminal{a, "/v1/processes/" + s["id"].(string), resp.Body}
}

func interactiveBash() spec {
	return command("").with("argv", []string{"/bin/bash", "--norc", "--noprofile", "-i"})
}

func (x *terminal) write(text string) {
	x.t.Helper()
	x.want(204, "POST", x.path+"/stdin", text, nil)
}

// until reads until text has come, and gives all that came.
func (x *terminal) until(text string) string {
	x.t.Helper()
	got := ""
	for !strings.Contains(got, text) {
		kind, payload, err := readFrame(x.body)
		if err != nil {
			x.t.Fatalf("%v; before %q came %q", err, text, got)
		}
		if kind == mixed.Ended {
			x.t.Fatalf("the end; before %q came %q", text, got)
		}
		if kind == mixed.Stdout {
			got += string(payload)
		}
	}
	return got
}

// end reads the rest.
func (x *terminal) end() result {
	x.t.Helper()
	defer x.body.Close()
	res := readStream(x.t, x.body)
	if !res.ended {
		x.t.Fatal("the stream ended without its last frame")
	}
	return res
}

// descriptors counts the open ones of the agent.
func (a *agent) descriptors() int {
	a.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid))
	must(a.t, err)
	return len(entries)
}

func TestTerminalHasASizeAndProgramsHearOfANewOne(t *testing.T) {
	needRoot(t)
	a := listening(t)
	x := a.terminal(command(`stty size; tty; stat -c 'owner %u' "$(tty)"; echo TERM=$TERM; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.01; done`))
	if got := x.until("ready\r\n"); !strings.HasPrefix(got, "24 80\r\n/dev/pts/") || !strings.Contains(got, "owner 1000\r\n") || !strings.Contains(got, "TERM=xterm-256color\r\n") {
		t.Fatalf("%q", got)
	}
	x.want(204, "POST", x.path+"/resize", size{132, 50}, nil)
	var st status
	x.want(200, "GET", x.path, nil, &st)
	if st.PTY == nil || *st.PTY != (size{132, 50}) {
		t.Fatalf("%+v", st.PTY)
	}
	res := x.end()
	if string(res.stdout) != "50 132\r\n" || *res.last.ExitCode != 5 || *res.last.Reason != "exited" || *res.last.PTY != (size{132, 50}) {
		t.Fatalf("%q %+v", res.stdout, res.last)
	}
	x.refused(404, "PROCESS_NOT_FOUND", "POST", x.path+"/resize", size{80, 24})
}

func TestTerminalRequestsThatAreRefused(t *testing.T) {
	needRoot(t)
	a := listening(t)
	for _, bad := range []any{size{0, 24}, size{80, 0}, size{4097, 24}, size{80, 70_000}, size{-1, 24}, map[string]any{"cols": 1.5, "rows": 2}, "80x24"} {
		a.refused(400, "INVALID_REQUEST", "POST", "/v1/processes", command("true").with("pty", bad))
	}
	plain := a.start(command("exec sleep 60"))
	a.refused(400, "INVALID_REQUEST", "POST", "/v1/processes/"+plain.ID+"/resize", size{80, 24})
	x := a.terminal(command("exec sleep 60"))
	x.refused(400, "INVALID_REQUEST", "POST", x.path+"/resize", size{80, 0})
	x.refused(400, "INVALID_REQUEST", "POST", x.path+"/stdin?close=1", "text")
}

func TestTerminalOfAnInteractiveShell(t *testing.T) {
	needRoot(t)
	a := listening(t)
	x := a.terminal(interactiveBash().with("env", map[string]string{"PATH": "/usr/bin:/bin", "PS1": "$ ", "TERM": "dumb"}))
	if first := x.until("$ "); strings.Contains(first, "job control") {
		t.Fatalf("%q", first)
	}
	x.write("echo TERM=$TERM; set -o | grep monitor\n")
	if got := x.until("monitor        \ton"); !strings.Contains(got, "TERM=dumb\r\n") {
		t.Fatalf("%q", got)
	}
	m := mark()
	x.write("sleep " + m + "\n")
	waitFor(t, "sleep to run", func() bool { return alive("^sleep "+m) == 1 })
	x.write("\x03")
	x.write("echo code=$?\n")
	x.until("code=130\r\n")
	x.write("sleep " + m + "\n")
	waitFor(t, "sleep to run", func() bool { return alive("^sleep "+m) == 1 })
	x.write("\x1a")
	x.until("Stopped")
	x.write("kill %1; wait; echo gone\n")
	x.until("gone\r\n")
	x.write("exit 7\n")
	if res := x.end(); *res.last.ExitCode != 7 || *res.last.Reason != "exited" || res.last.Leftovers != 0 {
		t.Fatalf("%+v", res.last)
	}
}

func TestTerminalEchoesAndCtrlDIsTheEnd(t *testing.T) {
	needRoot(t)
	a := listening(t)
	x := a.terminal(command("exec cat"))
	x.write("hello\n")
	x.until("hello\r\nhello\r\n")
	x.write("\x04")
	if res := x.end(); *res.last.ExitCode != 0 {
		t.Fatalf("%+v", res.last)
	}
	x.refused(409, "STDIN_CLOSED", "POST", x.path+"/stdin", "late")
}

func TestTerminalIsReplayedAfterItsFollowerLeft(t *testing.T) {
	needRoot(t)
	a := listening(t)
	x := a.terminal(command("stty -echo; echo first; read go; echo second; echo third >&2"))
	x.until("first\r\n")
	x.body.Close()
	x.write("\n")
	resp := a.open("GET", x.path+"/output?follow=1&offset=7", nil)
	defer resp.Body.Close()
	if res := readStream(t, resp.Body); string(res.stdout) != "second\r\nthird\r\n" || len(res.stderr) != 0 || res.gap != 0 || !res.ended {
		t.Fatalf("%q %q, gap %d", res.stdout, res.stderr, res.gap)
	}
}

func TestSlowFollowerSlowsTheTerminalAndLosesNothing(t *testing.T) {
	needRoot(t)
	a := listening(t)
	const total = 64 << 20
	x := a.terminal(command(fmt.Sprintf("stty -opost; head -c %d /dev/zero", total)).with("buffer_bytes", 65536))
	var held status
	waitFor(t, "output to stand still", func() bool {
		before := held.Output
		time.Sleep(100 * time.Millisecond)
		a.want(200, "GET", x.path, nil, &held)
		return before == held.Output && held.Output > 0
	})
	if held.State != "running" || held.Output > 8<<20 {
		t.Fatalf("the process was not held: %+v", held)
	}
	if raceFlag == "" {
		if rss := residentOf(t, a.cmd.Process.Pid); rss > 32<<20 {
			t.Fatalf("%d bytes resident", rss)
		}
	}
	var got int
	for {
		kind, payload, err := readFrame(x.body)
		must(t, err)
		if kind == mixed.Gap {
			t.Fatal("something was dropped")
		}
		if kind == mixed.Stdout {
			got += len(payload)
		}
		if kind == mixed.Ended {
			break
		}
	}
	if got != total {
		t.Fatalf("%d bytes of %d", got, total)
	}
}

func TestTerminalThatWasKilledLeavesNothing(t *testing.T) {
	needRoot(t)
	a := listening(t)
	a.want(200, "GET", "/v1/info", nil, nil)
	before := a.descriptors()
	for _, end := range []string{"kill", "DELETE"} {
		m := mark()
		x := a.terminal(interactiveBash())
		x.write("sleep " + m + " & (setsid sleep " + m + " &); nohup sleep " + m + "\n")
		waitFor(t, "all to run", func() bool { return alive("^sleep "+m) == 3 })
		if end == "kill" {
			var k killed
			x.want(200, "POST", x.path+"/kill", nil, &k)
			// Leftovers are not looked at: the end of the terminal is known before the last of what was killed is gone.
			if res := x.end(); !k.Complete || k.Killed < 4 || *res.last.Reason != "killed" {
				t.Fatalf("%+v %+v", k, res.last)
			}
		} else {
			x.want(204, "DELETE", x.path, nil, nil)
		}
		x.body.Close()
		if n := alive("^sleep " + m); n != 0 {
			t.Fatalf("%s left %d processes", end, n)
		}
	}
	waitFor(t, "the descriptors to be closed", func() bool { return a.descriptors() <= before })
}

func TestFailedStartLeavesNoTerminal(t *testing.T) {
	needRoot(t)
	a := listening(t)
	a.want(200, "GET", "/v1/info", nil, nil)
	before := a.descriptors()
	garbage := filepath.Join(t.TempDir(), "garbage")
	must(t, os.WriteFile(garbage, []byte{1, 2, 3}, 0o755))
	a.refused(400, "COMMAND_NOT_EXECUTABLE", "POST", "/v1/processes", command("").with("argv", []string{garbage}).with("user", "0").with("pty", size{80, 24}))
	waitFor(t, "the descriptors to be closed", func() bool { return a.descriptors() <= before })
}

func TestWhatOutlivesItsTerminalsProcessMayPrintUntilItIsKilled(t *testing.T) {
	needRoot(t)
	a := listening(t)
	x := a.terminal(command("trap '' HUP; (sleep 0.3; echo late; exec sleep 60) & echo now").with("drain_ms", 50))
	res := x.end()
	if string(res.stdout) != "now\r\n" || res.last.Leftovers < 1 || *res.last.Reason != "exited" {
		t.Fatalf("%q %+v", res.stdout, res.last)
	}
	waitFor(t, "late output in the ring", func() bool {
		resp := a.open("GET", x.path+"/output", nil)
		defer resp.Body.Close()
		return string(readStream(t, resp.Body).stdout) == "now\r\nlate\r\n"
	})
	var k killed
	x.want(200, "POST", x.path+"/kill", nil, &k)
	if k.Killed < 1 || !k.Complete {
		t.Fatalf("%+v", k)
	}
}

func TestTerminalThatIsClosedAndOpenedAgainGoesOn(t *testing.T) {
	needRoot(t)
	a := listening(t)
	res := a.terminal(command("echo one; exec </dev/null >/dev/null 2>&1; sleep 0.1; echo two > /dev/tty")).end()
	if string(res.stdout) != "one\r\ntwo\r\n" {
		t.Fatalf("%q", res.stdout)
	}
}

func TestStdinIsWrittenAsItComesAndEndsWithTheProcess(t *testing.T) {
	needRoot(t)
	a := listening(t)
	for _, on := range []string{"terminal", "pipe"} {
		s := command("[ -t 0 ] && stty -echo; echo ready; while read line; do echo got $line; [ $line = end ] && exit 3; done")
		var x *terminal
		if on == "terminal" {
			x = a.terminal(s)
		} else {
			resp := a.open("POST", "/v1/processes", s.with("stdin", "pipe").with("follow", true))
			t.Cleanup(func() { resp.Body.Close() })
			x = &terminal{a, "/v1/processes/" + s["id"].(string), resp.Body}
		}
		x.until("ready")
		body, input := io.Pipe()
		answer := make(chan string, 1)
		go func() {
			resp, err := a.http.Do(a.request(context.Background(), "POST", x.path+"/stdin", body))
			if err != nil {
				answer <- err.Error()
				return
			}
			defer resp.Body.Close()
			data, _ := io.ReadAll(resp.Body)
			answer <- string(data)
		}()
		for _, line := range []string{"one", "two", "end"} {
			_, err := io.WriteString(input, line+"\n")
			must(t, err)
			x.until("got " + line)
		}
		if res := x.end(); *res.last.ExitCode != 3 {
			t.Fatalf("%+v", res.last)
		}
		select {
		case got := <-answer: // though the body has not ended
			if !strings.Contains(got, "STDIN_CLOSED") {
				t.Fatalf("%s: %q", on, got)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the writer waits for a process that has ended", on)
		}
		input.Close()
	}
}

func TestTerminalInputThatIsNotReadHoldsItsWriterOnly(t *testing.T) {
	needRoot(t)
	a := listening(t)
	const total = 1 << 20
	x := a.terminal(command(fmt.Sprintf("stty raw -echo; echo ready; read go; head -c %d | wc -c", total)))
	x.until("ready")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	x.write("\n")
	res := make(chan result)
	go func() { res <- x.end() }()
	x.write(strings.Repeat("x", total))
	if r := <-res; strings.TrimSpace(string(r.stdout)) != strconv.Itoa(total) {
		t.Fatalf("%q", r.stdout)
	}

	x = a.terminal(command("stty raw -echo; echo ready; exec sleep 60"))
	x.until("ready")
	if r, err := a.http.Do(a.request(ctx, "POST", x.path+"/stdin", strings.Repeat("x", total))); err == nil {
		r.Body.Close()
		t.Fatal("a terminal that nobody reads took a megabyte")
	}
	next := make(chan int)
	go func() {
		resp, err := a.http.Do(a.request(context.Background(), "POST", x.path+"/stdin", strings.Repeat("y", total)))
		if err != nil {
			next <- 0
			return
		}
		resp.Body.Close()
		next <- resp.StatusCode
	}()
	x.want(200, "POST", x.path+"/kill", nil, nil)
	if code := <-next; code != http.StatusConflict {
		t.Fatalf("status %d for a writer whose process was killed", code)
	}
}

func TestTerminalOfAnAgentThatIsNotRoot(t *testing.T) {
	needRoot(t)
	a := spawn(t, nil, "serve", "--stdio")
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	a.pipe()
	defer a.hangUp()
	res := a.terminal(command("stty size; id -u")).end()
	if string(res.stdout) != "24 80\r\n1000\r\n" {
		t.Fatalf("%q", res.stdout)
	}
}

func TestTerminalInAStrictContainer(t *testing.T) {
	a, id := contained(t, "--security-opt", "seccomp=../../../src/engine/docker/seccomp.json")
	for _, who := range []string{user, "0:0"} {
		res := a.terminal(guest("terminal").with("user", who)).end()
		if want := fmt.Sprintf("owner %s mode 620\r\n", who[:strings.Index(who, ":")]); string(res.stdout) != want {
			t.Fatalf("%q, want %q", res.stdout, want)
		}
	}
	x := a.terminal(guest("sleep"))
	x.want(204, "POST", x.path+"/resize", size{100, 30}, nil)
	x.write("\x03")
	if res := x.end(); res.last.Signal == nil || *res.last.Signal != "SIGINT" {
		t.Fatalf("%+v", res.last)
	}
	if rss := resident(t, id); rss > 12<<20 {
		t.Errorf("%d bytes resident", rss)
	}
}

func residentOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := bytes.Cut(text, []byte("VmRSS:"))
	n, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
	must(t, err)
	return n << 10
}
