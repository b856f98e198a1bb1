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
