package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

type ports struct {
	Ports []port
	Open  *bool
}

type port struct {
	Port    int
	Address string
	Family  string
	UID     int
	PID     int
	Process string
}

func (p ports) find(number int) *port {
	at := slices.IndexFunc(p.Ports, func(p port) bool { return p.Port == number })
	if at < 0 {
		return nil
	}
	return &p.Ports[at]
}

func TestPortsNameWhoListens(t *testing.T) {
	a := listening(t)
	p := listenOn(t, "127.0.0.1:0")
	var got ports
	a.want(200, "GET", "/v1/ports", nil, &got)
	own := got.find(p.port)
	if own == nil || own.Address != "127.0.0.1" || own.Family != "ipv4" || own.UID != os.Getuid() || own.PID != os.Getpid() || own.Process == "" {
		t.Fatalf("%+v", own)
	}
	if got.Open != nil || !slices.IsSortedFunc(got.Ports, func(a, b port) int { return a.Port - b.Port }) {
		t.Fatalf("%+v", got)
	}
}

func TestPortsWaitForOne(t *testing.T) {
	a := listening(t)
	number := closedPort(t)
	var got ports
	a.want(200, "GET", fmt.Sprintf("/v1/ports?wait=%d&timeout_ms=50", number), nil, &got)
	if got.Open == nil || *got.Open || got.find(number) != nil {
		t.Fatalf("%+v", got)
	}
	answer := make(chan ports, 1)
	go func() {
		var got ports
		a.want(200, "GET", fmt.Sprintf("/v1/ports?wait=%d&timeout_ms=20000", number), nil, &got)
		answer <- got
	}()
	select {
	case <-answer:
		t.Fatal("answered before anything listens")
	case <-time.After(150 * time.Millisecond):
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", number))
	must(t, err)
	defer l.Close()
	if got := <-answer; got.Open == nil || !*got.Open || got.find(number) == nil {
		t.Fatalf("%+v", got)
	}
	for _, bad := range []string{"wait=0", "wait=65536", "wait=x", "wait=1&timeout_ms=-1", "wait=1&timeout_ms=600001"} {
		a.refused(400, "INVALID_REQUEST", "GET", "/v1/ports?"+bad, nil)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if resp, err := a.http.Do(a.request(ctx, "GET", fmt.Sprintf("/v1/ports?wait=%d", closedPort(t)), nil)); err == nil {
		resp.Body.Close()
		t.Fatal("waited for a caller who has left")
	}
}

func TestPortsInAStrictContainer(t *testing.T) {
	a, _ := contained(t, "--security-opt", "seccomp=../../../src/engine/docker/seccomp.json")
	for i, who := range []string{user, "0:0"} {
		s := guest("listen", fmt.Sprintf("127.0.0.1:%d", 8320+i)).with("user", who)
		st := a.start(s)
		var got ports
		a.want(200, "GET", fmt.Sprintf("/v1/ports?wait=%d", 8320+i), nil, &got)
		own := got.find(8320 + i)
		if own == nil || own.PID != st.PID || own.Process != "guest" || own.UID != map[string]int{user: 1000, "0:0": 0}[who] {
			t.Fatalf("%s: %+v", who, own)
		}
	}
	x := a.tunnel(8320)
	exchange(t, x, x, "echo")
}
