// Package jupyter is the driver for kernels of the image: it runs as the user, in a process of its own, starts a kernel, speaks the
// Jupyter messaging protocol with it, and the protocol of drivers/README.md with the agent.
package jupyter

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/drivers"
)

const endWithin = 2 * time.Second

type driver struct {
	kernel     *kernel
	events     *events
	runs       chan drivers.Request
	acks       chan struct{}
	gone       chan struct{} // closed when the agent has closed its pipe
	interrupts chan os.Signal
	// hiddenWithin is how long the kernel may take for code of ours.
	hiddenWithin time.Duration
}

// Serve is the whole life of the driver of one kernel, named as its kernelspec's folder is.
func Serve(name string) error {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT)
	for fd := 3; fd <= 5; fd++ {
		syscall.CloseOnExec(fd)
	}
	source := os.NewFile(5, "source")
	_, _ = io.Copy(io.Discard, source) // ours is in this binary
	_ = source.Close()
	k, version, err := begin(name)
	if err != nil {
		if k != nil {
			k.kill()
		}
		return err
	}
	d := &driver{
		kernel: k, events: &events{file: os.NewFile(4, "events")}, interrupts: interrupts,
		runs: make(chan drivers.Request, 1), acks: make(chan struct{}, 1), gone: make(chan struct{}),
		hiddenWithin: hiddenWithin,
	}
	if err := d.events.ready(version, k.process.Process.Pid); err != nil {
		return err
	}
	go d.readRequests(os.NewFile(3, "requests"))
	return d.serve()
}

// begin starts the kernel, and returns when it answers.
func begin(name string) (k *kernel, version string, err error) {
	folder, err := os.MkdirTemp("", "kernel-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(folder)
	k, err = startKernel(name, folder)
	if err == nil {
		version, err = k.answer()
	}
	return k, version, err
}

func (d *driver) readRequests(from *os.File) {
	defer close(d.gone)
	lines := json.NewDecoder(bufio.NewReader(from))
	for {
		var r drivers.Request
		if lines.Decode(&r) != nil {
			return
		}
		if r.Op == "ack" {
			d.acks <- struct{}{}
		} else {
			d.runs <- r
		}
	}
}

func (d *driver) serve() error {
	for {
		select {
		case r := <-d.runs:
			if err := d.run(r); err != nil {
				return err
			}
		case <-d.kernel.replies:
		case m := <-d.kernel.published:
			d.print(m) // of background work: it goes to the next run
		case <-d.interrupts: // nothing runs
		case <-d.gone:
			d.kernel.shutdown(endWithin)
			return nil
		case <-d.kernel.ended:
			return d.endAs(d.kernel.state)
		}
	}
}

// drain handles what a kernel said before it ended.
func (d *driver) drain(e *execution) {
	for {
		select {
		case m := <-d.kernel.published:
			if d.publish(e, m) != nil {
				return
			}
		default:
			return
		}
	}
}

// publish handles a broadcast in a run.
func (d *driver) publish(e *execution, m *message) error {
	if m.parent != e.id {
		d.print(m)
		return nil
	}
	if e.hidden && m.Type != "status" {
		return nil
	}
	switch m.Type {
	case "status":
		var status struct {
			State string `json:"execution_state"`
		}
		_ = json.Unmarshal(m.content, &status)
		if status.State == "busy" && !e.hidden {
			e.interrupts.begun()
		}
		e.idle = e.idle || status.State == "idle"
	case "stream":
		d.print(m)
	case "display_data", "update_display_data", "execute_result":
		return d.display(e, m)
	case "error":
		e.failed = true
		return d.fail(e, m)
	}
	return nil
}

// print writes what a kernel printed to where a program would.
func (d *driver) print(m *message) {
	var stream struct{ Name, Text string }
	if m.Type != "stream" || json.Unmarshal(m.content, &stream) != nil {
		return
	}
	to := os.Stdout
	if stream.Name == "stderr" {
		to = os.Stderr
	}
	_, _ = to.WriteString(stream.Text) // one that is closed is for nobody
}

func (d *driver) display(e *execution, m *message) error {
	var shown struct {
		Data      map[string]json.RawMessage `json:"data"`
		Transient struct {
			DisplayID *string `json:"display_id"`
		} `json:"transient"`
	}
	if json.Unmarshal(m.content, &shown) != nil || len(shown.Data) == 0 {
		return nil
	}
	data := readBundle(shown.Data)
	truncated := data.fit(e.DisplayBytes)
	err := d.events.write(displayEvent{
		"display", e.ID, data, m.Type == "execute_result", shown.Transient.DisplayID, m.Type == "update_display_data", truncated, true,
	})
	if err != nil {
		return err
	}
	select {
	case <-d.acks:
	case <-d.gone:
	}
	return nil
}

// colours of tracebacks are for terminals.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

func (d *driver) fail(e *execution, m *message) error {
	var failure struct {
		Name      string   `json:"ename"`
		Value     string   `json:"evalue"`
		Traceback []string `json:"traceback"`
	}
	if err := json.Unmarshal(m.content, &failure); err != nil {
		failure.Name, failure.Value = "Error", fmt.Sprintf("the kernel's error can't be read: %v", err)
	}
	for i, line := range failure.Traceback {
		failure.Traceback[i] = colours.ReplaceAllString(line, "")
	}
	return d.events.write(errorEvent{"error", e.ID, failure.Name, failure.Value, failure.Traceback})
}

// endAs ends this process as the kernel ended: the agent tells its runs.
func (d *driver) endAs(state *os.ProcessState) error {
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		signal.Reset(status.Signal())
		_ = syscall.Kill(os.Getpid(), status.Signal())
		time.Sleep(time.Second) // for a signal that this process survives
	}
	os.Exit(max(status.ExitStatus(), 0))
	return nil
}

func drainSignals(from <-chan os.Signal) {
	for {
		select {
		case <-from:
		default:
			return
		}
	}
}
