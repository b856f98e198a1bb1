package kernel

import (
	"encoding/binary"
	"os"
	"strings"
	"sync"
	"syscall"

	"k2sandbox.dev/agent/internal/mixed"
	"k2sandbox.dev/agent/internal/output"
	"k2sandbox.dev/agent/internal/sys"
)

// pumps of a run's ring: one for each output pipe and one for events.
const (
	pumpStdout = iota
	pumpStderr
	pumpEvents
	pumps
)

const (
	// idleBytes of what is printed between two runs are kept for the second.
	idleBytes = 64 << 10
	// tailBytes of what an interpreter printed that never got ready are told: the last line of a traceback says why.
	tailBytes = 300
	maxRead   = 64 << 10
)

// outputs are the two output pipes of an interpreter, and the ring that what they bring belongs to.
type outputs struct {
	files  [2]*os.File
	closed [2]chan struct{}
	idle   *output.Ring

	mu   sync.Mutex // held while bytes go from a pipe to the ring
	ring *output.Ring
}

// attach takes the pipes of a new process, and returns what reads them.
func (i *interpreter) attach(stdout, stderr *os.File) (run [2]func()) {
	o := &i.outputs
	o.files = [2]*os.File{stdout, stderr}
	o.idle = output.New(idleBytes, pumps)
	o.ring = o.idle
	for which := range o.files {
		o.closed[which] = make(chan struct{})
		run[which] = func() { i.pump(which) }
	}
	return run
}

// direct gives all from now on to ring, after what came since the last run.
func (o *outputs) direct(ring *output.Ring) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.idle.MoveTo(ring)
	o.ring = ring
}

// keep gives all from now on to the next run.
func (o *outputs) keep() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ring = o.idle
}

// forget drops what came since the last run.
func (o *outputs) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ring == o.idle {
		o.idle.Discard()
		o.idle = output.New(idleBytes, pumps)
		o.ring = o.idle
	}
}

// move reads once. full: the ring that a follower must read first.
func (o *outputs) move(fd, which, most int) (n int, full *output.Ring, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, isFull, err := o.ring.ReadFrom(fd, mixed.Stdout+byte(which), most)
	if isFull {
		return 0, o.ring, nil
	}
	return n, nil, err
}

// pump moves an output pipe to where it belongs until its last writer closes it.
func (i *interpreter) pump(which int) {
	o := &i.outputs
	defer close(o.closed[which])
	f := o.files[which]
	defer f.Close()
	conn, err := f.SyscallConn()
	for err == nil {
		var n int
		var full *output.Ring
		var readErr error
		err = conn.Read(func(fd uintptr) bool {
			n, full, readErr = o.move(int(fd), which, maxRead)
			return full != nil || readErr != syscall.EAGAIN
		})
		if full != nil {
			i.waitForRoom(full, which)
			continue
		}
		if n == 0 || readErr != nil {
			return
		}
	}
}

// drain moves all that is in the pipes now; what comes meanwhile is not waited for.
func (i *interpreter) drain() {
	for which, f := range i.outputs.files {
		conn, err := f.SyscallConn()
		if err != nil {
			continue
		}
		for left := -1; left != 0; {
			var n int
			var full *output.Ring
			var readErr error
			// Control, not Read: the pump waits in that.
			err := conn.Control(func(fd uintptr) {
				if left < 0 {
					left = sys.ReadableBytes(int(fd))
				}
				if left > 0 {
					n, full, readErr = i.outputs.move(int(fd), which, left)
				}
			})
			if full != nil {
				i.waitForRoom(full, pumpEvents)
				continue
			}
			if err != nil || readErr != nil || n == 0 { // closed, or the pump was quicker
				break
			}
			left -= n
		}
	}
}

// waitForRoom: who has ended waits for no follower.
func (i *interpreter) waitForRoom(ring *output.Ring, which int) {
	select {
	case <-ring.Room(which):
	case <-i.givenUp:
		ring.Release()
	}
}

// lastWords is what it printed before it was ready, for a person.
func (o *outputs) lastWords() string {
	f, _ := o.idle.Follow(0, false)
	defer f.Close()
	frames, _, _ := f.Fill(nil)
	var text []byte
	for len(frames) >= mixed.HeaderSize {
		size := mixed.HeaderSize + int(binary.BigEndian.Uint32(frames[4:]))
		if frames[0] == mixed.Stdout || frames[0] == mixed.Stderr {
			text = append(text, frames[mixed.HeaderSize:size]...)
		}
		frames = frames[size:]
	}
	words := strings.TrimSpace(strings.ToValidUTF8(string(text[max(0, len(text)-tailBytes):]), "?"))
	if words == "" {
		return ""
	}
	return ": " + words
}
