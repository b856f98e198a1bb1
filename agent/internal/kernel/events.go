package kernel

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"k2sandbox.dev/agent/internal/drivers"
)

// lineSlack is what an event may hold beside its forms.
const lineSlack = 1 << 20

// maxVersion bounds what an interpreter calls itself.
const maxVersion = 100

// event is what the agent reads of a driver's.
type event struct {
	Type     string `json:"type"`
	ID       string `json:"id"`
	Version  string `json:"version"`
	PID      int    `json:"pid"` // what the code runs in, where that is not the driver
	Main     bool   `json:"main"`
	Ack      bool   `json:"ack"`
	ExitCode int    `json:"exit_code"`
}

var errTooLong = errors.New("a line is too long")

// readEvents follows descriptor 4. What comes is the word of the user's program as much as the driver's: what is no event, or
// too long, ends the interpreter.
func (i *interpreter) readEvents(f *os.File) {
	defer close(i.heard)
	defer f.Close()
	lines := bufio.NewReaderSize(f, 4<<10)
	ready := false
	for {
		line, err := i.readLine(lines)
		if err == errTooLong {
			i.breakOff("sent an event that is too long")
			return
		}
		if err != nil {
			break
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			i.breakOff("sent what is no event on descriptor 4")
			return
		}
		switch {
		case ready:
			i.handle(e, line)
		case e.Type == "ready":
			ready = true
			i.version = strings.ToValidUTF8(e.Version[:min(len(e.Version), maxVersion)], "")
			if i.context.driver.Noisy {
				i.drain()
				i.outputs.forget()
				if e.PID > 1 {
					i.meter.close()
					i.meter = openMeter(e.PID, i.context.user)
				}
			}
			close(i.ready)
		default:
			i.breakOff("did not say that it is ready")
			return
		}
	}
	// It has ended, or has closed what it must keep and can't be heard any more.
	if !i.endsSoon() {
		i.breakOff("closed descriptor 4")
	}
}

// handle passes an event on. Those of other runs, which background work may send late, are for nobody.
func (i *interpreter) handle(e event, line []byte) {
	r := i.context.running(i, e.ID)
	switch {
	case r == nil:
	case e.Type == "started":
		i.context.runStarted(r)
	case e.Type == "display" || e.Type == "error":
		i.drain()
		r.ring.AddEvent(line, e.Type == "error" || e.Main && !e.Ack, pumpEvents, i.givenUp)
	case e.Type == "end":
		if !i.hasRead() {
			i.breakOff("ended a run that it had not read")
			return
		}
		i.drain()
		i.outputs.keep()
		i.context.runEnded(r, exitCode(e.ExitCode))
	}
	if e.Ack {
		_, _ = i.requests.Write(drivers.Ack)
	}
}

// exitCode is what a shell would make of a program's.
func exitCode(code int) int {
	if code != 0 && code&255 == 0 {
		return 1
	}
	return code & 255
}

// readLine gives a line without its end. The bytes are the caller's.
func (i *interpreter) readLine(from *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := from.ReadSlice('\n')
		if int64(len(line)+len(part)) > i.lineLimit.Load() {
			return nil, errTooLong
		}
		line = append(line, part...)
		switch err {
		case nil:
			return line[:len(line)-1], nil
		case bufio.ErrBufferFull:
		default:
			return nil, io.EOF
		}
	}
}
