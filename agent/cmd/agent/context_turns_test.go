package main

import (
	"context"
	"fmt"
	"testing"
	"time"
)

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
