package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/proc"
)

const (
	startWithin = 30 * time.Second
	// endWithin is how long the pipes of an interpreter that has ended may stay open.
	endWithin = time.Second
	killTries = 30
)

var interpreters atomic.Int64 // for their process ids

// interpreter is a running driver.
type interpreter struct {
	context  *Context
	process  *proc.Process
	pid      int
	meter    *meter
	requests *os.File
	version  string // written before ready is closed

	ready   chan struct{} // closed when it can run code
	heard   chan struct{} // closed when descriptor 4 is read to its end, or not read any more
	givenUp chan struct{} // closed when nobody waits for its followers any more
	ended   chan struct{} // closed when its context knows of its end

	giveUpOnce sync.Once
	sent       chan struct{}          // of the latest request, closed when the pipe took all of it
	lineLimit  atomic.Int64           // of an event
	broken     atomic.Pointer[string] // what it did that no driver does

	outputs outputs
}

// startInterpreter resolves when the driver can run code. Faults: LANGUAGE_NOT_FOUND, with the last words of one that did not
// get ready, CWD_*, COMMAND_NOT_EXECUTABLE, TOO_MANY_PROCESSES, SHUTTING_DOWN.
func startInterpreter(ctx context.Context, c *Context) (*interpreter, error) {
	for _, program := range c.driver.Programs {
		i, err := launch(ctx, c, program)
		if err == nil {
			return i, i.untilReady(ctx, program)
		}
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.CommandNotFound {
			return nil, err
		}
	}
	return nil, fault.New(fault.LanguageNotFound, "%s needs %s, which is not in PATH", c.language, strings.Join(c.driver.Programs, " or "))
}

func launch(ctx context.Context, c *Context, program string) (*interpreter, error) {
	i := &interpreter{
		context: c, ready: make(chan struct{}), heard: make(chan struct{}), givenUp: make(chan struct{}), ended: make(chan struct{}),
	}
	i.lineLimit.Store(lineSlack)
	channels, err := openChannels(c.user)
	if err != nil {
		return nil, err
	}
	forgetAtOnce := int64(0)
	i.process, err = c.table.processes.Start(ctx, proc.Spec{
		ID:   "context:" + c.ID + ":" + strconv.FormatInt(interpreters.Add(1), 10),
		Argv: c.driver.Argv(program), Env: c.env, Cwd: c.cwd, User: c.userSpec, KeepMs: &forgetAtOnce,
		Files: channels.theirs[:], Attach: i.attach,
	})
	channels.closeTheirs()
	if err != nil {
		channels.closeOurs()
		return nil, err
	}
	i.pid = i.process.PID()
	i.meter = openMeter(i.pid, c.user)
	i.requests = channels.requests
	go func() {
		_, _ = channels.source.Write(c.driver.Source()) // one that ends meanwhile is seen by its end
		_ = channels.source.Close()
	}()
	go i.readEvents(channels.events)
	return i, nil
}

// channels are descriptors 3, 4 and 5 of a driver.
type channels struct {
	requests, events, source *os.File
	theirs                   [3]*os.File
}

func openChannels(user *identity.User) (*channels, error) {
	c := &channels{}
	for n, ours := range []**os.File{&c.requests, &c.events, &c.source} {
		var err error
		*ours, c.theirs[n], err = proc.Pipe(user, ours != &c.events)
		if err != nil {
			c.closeTheirs()
			c.closeOurs()
			return nil, err
		}
	}
	return c, nil
}

func (c *channels) closeTheirs() { closeAll(c.theirs[:]) }
func (c *channels) closeOurs()   { closeAll([]*os.File{c.requests, c.events, c.source}) }

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// untilReady ends one that does not get ready.
func (i *interpreter) untilReady(ctx context.Context, program string) error {
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	what := ""
	select {
	case <-i.ready:
		return nil
	case <-timer.C:
		what = fmt.Sprintf("was not ready within %v", startWithin)
	case <-i.heard:
		select {
		case <-i.ready: // and ended at once: its first run says how
			return nil
		case <-i.process.Done():
			what = "ended while it started, " + howEnded(i.process.Status())
		case <-time.After(endWithin):
			what = "can't be heard"
		}
		if broken := i.broken.Load(); broken != nil {
			what = *broken
		}
	case <-ctx.Done():
		what = "was not wanted any more"
	}
	i.kill(proc.ReasonKilled)
	words := i.outputs.lastWords()
	closeAll([]*os.File{i.requests})
	i.meter.close()
	return fault.New(fault.LanguageNotFound, "%s %s%s", program, what, words)
}

func howEnded(s proc.Status) string {
	if s.Signal != nil {
		return "by " + *s.Signal
	}
	return "with exit code " + strconv.Itoa(*s.ExitCode)
}

// begin gives it a run, and what was printed since the last. The context's lock is held.
func (i *interpreter) begin(r *Run) {
	i.lineLimit.Store(int64(r.spec.DisplayBytes + lineSlack))
	i.outputs.direct(r.ring)
	i.send(r.request)
	i.meter.begin() // meanwhile it wakes up
}

// send writes a request without waiting for its reader: what the pipe does not take at once follows in the background.
func (i *interpreter) send(request []byte) {
	conn, err := i.requests.SyscallConn()
	var n int
	if err == nil {
		err = conn.Write(func(fd uintptr) bool {
			n, err = syscall.Write(int(fd), request)
			return true
		})
	}
	sent := make(chan struct{})
	i.sent = sent
	if n == len(request) {
		close(sent)
		return
	}
	go func() {
		defer close(sent)
		if _, err := i.requests.Write(request[max(n, 0):]); err != nil && !i.endsSoon() {
			i.breakOff("closed descriptor 3")
		}
	}()
}

// interrupt is Ctrl-C: for the interpreter and what it started in its group.
func (i *interpreter) interrupt() { _ = i.process.Signal(syscall.SIGINT, true) }

// lateLooks are when to look for programs that a shell was about to start when it was interrupted.
var lateLooks = []time.Duration{20 * time.Millisecond, 80 * time.Millisecond, 400 * time.Millisecond}

// followUp is for a shell that was interrupted. It waits for the program that it just started, which the signal may have come too
// early for: that one gets its own. ifRunning does something unless the run is over, and says so.
func (i *interpreter) followUp(ifRunning func(func()) bool) {
	for _, pause := range lateLooks {
		time.Sleep(pause)
		late := i.process.Unaware(syscall.SIGINT)
		running := ifRunning(func() {
			for _, pid := range late {
				i.process.SignalMember(pid, syscall.SIGINT)
			}
		})
		if !running {
			return
		}
	}
}

// breakOff ends one that did what no driver does, unless it is ending anyway.
func (i *interpreter) breakOff(what string) {
	select {
	case <-i.process.Done():
		return
	case <-i.givenUp:
		return
	default:
	}
	i.broken.CompareAndSwap(nil, &what)
	go i.kill(proc.ReasonKilled)
}

// kill ends it with all that it started. Its run ends by watch.
func (i *interpreter) kill(reason string) {
	for range killTries {
		if i.process.Kill(reason).Complete {
			break
		}
	}
	i.giveUp()
}

func (i *interpreter) giveUp() { i.giveUpOnce.Do(func() { close(i.givenUp) }) }

// watch tells its context when it has ended. What it started ends with it: it was part of the state.
func (i *interpreter) watch() {
	<-i.process.Done()
	if i.process.Status().Leftovers > 0 {
		i.process.Kill(proc.ReasonKilled)
	}
	i.giveUp()
	deadline := time.NewTimer(endWithin) // a process that no kill finds may hold the pipes
	defer deadline.Stop()
	for _, closed := range []<-chan struct{}{i.outputs.closed[0], i.outputs.closed[1], i.heard} {
		select {
		case <-closed:
		case <-deadline.C:
			deadline.Reset(0)
		}
	}
	_ = i.requests.Close()
	i.context.interpreterEnded(i, i.process.Status())
	i.meter.close()
	close(i.ended)
}

// hasRead says whether it took the whole request; where it only just did so, that is waited for.
func (i *interpreter) hasRead() bool {
	select {
	case <-i.sent:
		return true
	case <-time.After(endWithin):
		return false
	}
}

// endsSoon waits for its end where that is on the way.
func (i *interpreter) endsSoon() bool {
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-i.process.Done():
		return true
	case <-timer.C:
		return false
	}
}
