package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// alive counts processes with mark in their command line.
func alive(mark string) int {
	out, _ := exec.Command("pgrep", "-fc", mark).Output()
	n, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	return n
}

// marks are odd durations, so that pgrep finds the test's own sleeps only.
func mark() string { return "98765" + strconv.Itoa(os.Getpid()) + strings.TrimPrefix(nextID(), "t") }

type killed struct {
	Killed   int
	Complete bool
}

func TestKillReachesEscapees(t *testing.T) {
	needRoot(t)
	a := listening(t)
	m := mark()
	// In the group; in a session of its own; double-forked with its parent gone; with a forged tag and its parent gone.
	s := command(`sleep ` + m + ` &
		setsid sleep ` + m + ` &
		setsid sh -c "setsid sleep ` + m + ` & exit" &
		bash -c "ulimit -S -x 77; setsid sleep ` + m + ` & exit" &
		bash -c "ulimit -x 7; setsid sh -c 'setsid sleep ` + m + ` & exit' & exit" &
		wait; sleep ` + m)
	bystander := mark()
	a.start(command("setsid sleep " + bystander + " & sleep " + bystander))
	a.start(s)
	waitFor(t, "all to run", func() bool { return alive("^sleep "+m) >= 5 && alive("^sleep "+bystander) == 2 })
	var k killed
	a.want(200, "POST", "/v1/processes/"+s["id"].(string)+"/kill", spec{"reason": "killed"}, &k)
	if n := alive("^sleep " + m); n != 0 || !k.Complete || k.Killed < 5 {
		t.Fatalf("%d left, %+v", n, k)
	}
	if n := alive("^sleep " + bystander); n != 2 {
		t.Fatalf("another command's processes were hit: %d of 2 left", n)
	}
	var st status
	waitFor(t, "the end", func() bool {
		a.want(200, "GET", "/v1/processes/"+s["id"].(string), nil, &st)
		return st.State == "exited"
	})
	if *st.Reason != "killed" || *st.Signal != "SIGKILL" || *st.ExitCode != 137 || st.Leftovers != 0 {
		t.Fatalf("%+v", st)
	}
}

func TestTimeoutKillsAllAndSaysSo(t *testing.T) {
	needRoot(t)
	a := listening(t)
	m := mark()
	start := time.Now()
	res := a.run(command("echo before; setsid sh -c 'setsid sleep "+m+" & exit'; sleep "+m).with("timeout_ms", 300))
	if took := time.Since(start); took < 300*time.Millisecond || took > 5*time.Second {
		t.Fatalf("took %v", took)
	}
	if *res.last.Reason != "timeout" || *res.last.ExitCode != 124 || *res.last.Signal != "SIGKILL" || string(res.stdout) != "before\n" {
		t.Fatalf("%q %+v", res.stdout, res.last)
	}
	waitFor(t, "nothing to be left", func() bool { return alive("^sleep "+m) == 0 })
}

func TestKillOfAForkingTree(t *testing.T) {
	needRoot(t)
	a := listening(t)
	m := mark()
	// Each generation forks on and ends: always new pids.
	s := command(`f() { sleep 0.01; setsid sh -c "$0" "$0" & }; i=0; while [ $i -lt 300 ]; do setsid sleep ` + m + ` & i=$((i+1)); sleep 0.002; done; wait`)
	a.start(s)
	waitFor(t, "some to run", func() bool { return alive("^sleep "+m) > 20 })
	var k killed
	a.want(200, "POST", "/v1/processes/"+s["id"].(string)+"/kill", nil, &k)
	if n := alive("^sleep " + m); n != 0 || !k.Complete {
		t.Fatalf("%d left, %+v", n, k)
	}
}

func TestDeleteKillsAndForgets(t *testing.T) {
	needRoot(t)
	a := listening(t)
	m := mark()
	s := command("sleep " + m)
	a.start(s)
	a.want(204, "DELETE", "/v1/processes/"+s["id"].(string), nil, nil)
	a.refused(404, "PROCESS_NOT_FOUND", "GET", "/v1/processes/"+s["id"].(string), nil)
	if n := alive("^sleep " + m); n != 0 {
		t.Fatalf("%d left", n)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	needRoot(t)
	a := listening(t)
	a.run(command(`i=0; while [ $i -lt 50 ]; do setsid sh -c 'true & exit' & i=$((i+1)); done`))
	waitFor(t, "zombies to go", func() bool {
		out, _ := exec.Command("ps", "--ppid", strconv.Itoa(a.cmd.Process.Pid), "-o", "stat=").Output()
		return !strings.Contains(string(out), "Z")
	})
}

func TestShutdownAsksThenKills(t *testing.T) {
	needRoot(t)
	a := listening(t)
	m := mark()
	polite := command("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done").with("follow", true)
	resp := a.open("POST", "/v1/processes", polite)
	defer resp.Body.Close()
	readUntil(t, resp.Body, "ready\n")
	deaf := a.open("POST", "/v1/processes", command("trap '' TERM; setsid sleep "+m+" & echo ready; while :; do sleep 0.01; done").with("follow", true))
	defer deaf.Body.Close()
	readUntil(t, deaf.Body, "ready\n") // a signal before the trap would end it
	start := time.Now()
	a.want(204, "POST", "/v1/shutdown", spec{"grace_ms": 300}, nil)
	if took := time.Since(start); took < 250*time.Millisecond || took > 4*time.Second {
		t.Fatalf("took %v", took)
	}
	if res := readStream(t, resp.Body); *res.last.ExitCode != 5 {
		t.Fatalf("%+v", res.last)
	}
	if n := alive("^sleep " + m); n != 0 {
		t.Fatalf("%d left", n)
	}
	a.refused(503, "SHUTTING_DOWN", "POST", "/v1/processes", command("true"))
}

// A kill that arrives while the process is being started waits for it: it must neither miss it nor hit anything else.
func TestKillDuringTheStart(t *testing.T) {
	needRoot(t)
	a := listening(t)
	m, outside := mark(), mark()
	bystander := exec.Command("sleep", outside)
	must(t, bystander.Start())
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	for range 40 {
		s := command("sleep " + m)
		id := s["id"].(string)
		done := make(chan struct{})
		go func() {
			defer close(done)
			resp, _ := a.do("POST", "/v1/processes", s)
			resp.Body.Close()
		}()
		for gone := false; !gone; {
			resp, _ := a.do("DELETE", "/v1/processes/"+id, nil)
			gone = resp.StatusCode == 204
		}
		<-done
	}
	if n := alive("^sleep " + m); n != 0 {
		t.Fatalf("%d left", n)
	}
	if n := alive("^sleep " + outside); n != 1 {
		t.Fatal("a process outside the agent was hit")
	}
}
