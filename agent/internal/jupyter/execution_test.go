package jupyter

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"k2sandbox.dev/agent/internal/drivers"
)

// asked is one request for code that a kernel got.
type asked struct {
	Code    string `json:"code"`
	Silent  bool   `json:"silent"`
	History bool   `json:"store_history"`
}

// fakeKernel answers each request for code as `answer` says, and tells which came.
type fakeKernel struct {
	*driver
	asked  []asked
	events *bufio.Scanner
}

// newKernel has a driver on a kernel of a language. answer: what is published (of the request alone), and the reply.
func newKernel(t *testing.T, language string, answer func(asked) ([]*message, executeReply)) *fakeKernel {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	k := &kernel{
		spec: &kernelspec{Language: language, InterruptMode: "message"}, session: newSession(), ended: make(chan struct{}),
		replies: make(chan *message, queued), published: make(chan *message, queued),
	}
	f := &fakeKernel{
		driver: &driver{kernel: k, events: &events{file: write}, interrupts: make(chan os.Signal, 1), gone: make(chan struct{}), hiddenWithin: hiddenWithin},
		events: bufio.NewScanner(read),
	}
	k.shell, err = pair(t, "DEALER", func(conn net.Conn) {
		peer, err := greet(conn, "ROUTER")
		if err != nil {
			t.Error(err)
			return
		}
		for {
			parts, err := peer.receive()
			if err != nil {
				return
			}
			var head header
			var request asked
			_ = json.Unmarshal(parts[2], &head)
			_ = json.Unmarshal(parts[5], &request)
			f.asked = append(f.asked, request)
			status := func(state string) {
				k.published <- &message{"status", head.ID, raw(map[string]string{"execution_state": state})}
			}
			status("busy")
			published, reply := answer(request)
			for _, m := range published {
				m.parent = head.ID
				k.published <- m
			}
			k.replies <- &message{"execute_reply", head.ID, raw(reply)}
			status("idle")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close(); _ = write.Close() })
	return f
}

// told is the events of one run, without its id.
func (f *fakeKernel) told(t *testing.T, r drivers.Request) []string {
	t.Helper()
	r.ID = "r1"
	if err := f.run(r); err != nil {
		t.Fatal(err)
	}
	var told []string
	for f.events.Scan() {
		var event struct{ Type, Name, Value string }
		if err := json.Unmarshal(f.events.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		told = append(told, strings.TrimSpace(event.Type+" "+event.Name+" "+event.Value))
		if event.Type == "end" {
			return told
		}
	}
	t.Fatal("the events ended")
	return nil
}

var fine = executeReply{Status: "ok"}

func placed() drivers.Request {
	cwd := "/there"
	return drivers.Request{Code: "code", Cwd: &cwd, Env: map[string]string{"A": "b"}}
}

func order(requests []asked) string {
	p, _ := placeFor("python", placed())
	names := map[string]string{p.enter: "enter", p.leave: "leave"}
	var list []string
	for _, r := range requests {
		name, ours := names[r.Code]
		if !ours {
			name = r.Code
		}
		if r.Silent != ours || r.History == ours {
			name += " (wrongly told)"
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

func TestCwdAndEnvsOfARun(t *testing.T) {
	p, _ := placeFor("python", placed())
	for name, c := range map[string]struct {
		request  drivers.Request
		language string
		answer   func(count int, r asked) ([]*message, executeReply)
		order    string
		told     string
	}{
		"are set before it and put back after it": {
			placed(), "Python", func(int, asked) ([]*message, executeReply) { return nil, fine }, "enter code leave", "started, end",
		},
		"are no matter where there are none": {
			drivers.Request{Code: "code"}, "Python", func(int, asked) ([]*message, executeReply) { return nil, fine }, "code", "started, end",
		},
		"are put back after an error": {
			placed(), "python", func(_ int, r asked) ([]*message, executeReply) {
				if r.Code != "code" {
					return nil, fine
				}
				return []*message{{Type: "error", content: raw(map[string]string{"ename": "E", "evalue": "v"})}}, executeReply{"error", "E", "v"}
			}, "enter code leave", "started, error E v, end",
		},
		"that can't be set fail it, and are put back": {
			placed(), "python", func(_ int, r asked) ([]*message, executeReply) {
				if r.Code == p.enter {
					return []*message{{Type: "error", content: raw(map[string]string{"ename": "told", "evalue": "twice"})}}, executeReply{"error", "NoFolder", "/there"}
				}
				return nil, fine
			}, "enter leave", "started, error NoFolder /there, end",
		},
		"are put back again when that was interrupted": {
			placed(), "python", func(count int, r asked) ([]*message, executeReply) {
				if r.Code == p.leave && count == 3 {
					return nil, executeReply{"error", "KeyboardInterrupt", ""}
				}
				return nil, fine
			}, "enter code leave leave", "started, end",
		},
		"that stay are told": {
			placed(), "python", func(_ int, r asked) ([]*message, executeReply) {
				if r.Code == p.leave {
					return nil, executeReply{"error", "Sabotage", "no"}
				}
				return nil, fine
			}, "enter code leave leave leave", "started, error NotPutBack cwd and envs of the run stay: Sabotage: no, end",
		},
		"are refused where no way is known": {
			placed(), "cobol", func(int, asked) ([]*message, executeReply) { return nil, fine }, "",
			"started, error NotSupported cwd and envs of a single run are not possible in a kernel for cobol; make a context with them, end",
		},
	} {
		t.Run(name, func(t *testing.T) {
			count := 0
			k := newKernel(t, c.language, func(r asked) ([]*message, executeReply) {
				count++
				return c.answer(count, r)
			})
			if told := strings.Join(k.told(t, c.request), ", "); told != c.told {
				t.Errorf("told %s", told)
			}
			if got := order(k.asked); got != c.order {
				t.Errorf("ran %s", got)
			}
		})
	}
}

func TestAnInterruptWhileThePlaceIsSetIsForTheCode(t *testing.T) {
	p, _ := placeFor("python", placed())
	interrupted := make(chan struct{})
	var k *fakeKernel
	k = newKernel(t, "python", func(r asked) ([]*message, executeReply) {
		switch r.Code {
		case p.enter:
			k.interrupts <- os.Interrupt
			for len(k.interrupts) > 0 { // until the driver has it
				time.Sleep(time.Millisecond)
			}
		case "code":
			<-interrupted
			return nil, executeReply{"error", "KeyboardInterrupt", ""}
		}
		return nil, fine
	})
	var err error
	k.kernel.control, err = pair(t, "DEALER", func(conn net.Conn) {
		peer, err := greet(conn, "ROUTER")
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := peer.receive(); err == nil {
			close(interrupted)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if told := strings.Join(k.told(t, placed()), ", "); told != "started, error KeyboardInterrupt, end" {
		t.Error(told)
	}
	if got := order(k.asked); got != "enter code leave" {
		t.Error(got)
	}
}

func TestAKernelThatDoesNotSetThePlaceEndsTheDriver(t *testing.T) {
	over := make(chan struct{})
	k := newKernel(t, "python", func(asked) ([]*message, executeReply) {
		<-over
		return nil, fine
	})
	t.Cleanup(func() { close(over) })
	k.hiddenWithin = 10 * time.Millisecond
	if err := k.run(placed()); err != errHidden {
		t.Fatal(err)
	}
}
