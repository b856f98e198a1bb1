package kernel

import (
	"encoding/json"
	"strconv"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/output"
	"k2sandbox.dev/agent/internal/proc"
)

const (
	// obeyWithin is how long an interrupted run has to end before its interpreter is replaced.
	obeyWithin = 2 * time.Second
	// killWaits is how long Kill waits for the end before it says that it is not complete.
	killWaits = obeyWithin + 5*time.Second

	timeoutExitCode     = 124
	interruptedExitCode = 130
	killedExitCode      = 137
	notStartedExitCode  = 127
)

// Run is one piece of code in a context. It waits its turn, runs, and is kept for a while after its end.
type Run struct {
	ID       string
	context  *Context
	spec     RunSpec
	request  []byte // nil once it has begun for good
	ring     *output.Ring
	first    *output.Follower // who asked for it, nil if nobody follows
	queuedAt time.Time
	done     chan struct{}

	// context.mu guards the rest.
	interp          *interpreter // from its turn on
	startedAt       time.Time
	timeout, obey   *time.Timer
	started         bool // the driver said so
	retried         bool
	interruptWanted bool   // as soon as it has started
	reason          string // why it was to end; empty: by itself
	doomed          bool   // its interpreter is being killed, and ends it
	stateLost       bool
	finished        bool
	end             proc.Status // the part that the end decided

	keepTimer *time.Timer // table.mu
}

// First is the reader who was there from the beginning; nil if nobody asked to follow.
func (r *Run) First() *output.Follower { return r.first }

// Follow reads the output from a payload offset on; false when the offset lies in the future.
func (r *Run) Follow(offset int64, withTime bool) (*output.Follower, bool) {
	return r.ring.Follow(offset, withTime)
}

// Done is closed when it has ended.
func (r *Run) Done() <-chan struct{} { return r.done }

// Kill ends it, and waits for that for a while. Idempotent.
func (r *Run) Kill(reason string) proc.Killed {
	r.context.stop(r, reason)
	select {
	case <-r.done:
		return proc.Killed{Complete: true}
	case <-time.After(killWaits):
		return proc.Killed{}
	}
}

// Status tells how it stands, in the shape of a process's.
func (r *Run) Status() proc.Status {
	size, dropped := r.ring.Counts()
	r.context.mu.Lock()
	defer r.context.mu.Unlock()
	s := r.end
	s.ID, s.Argv, s.Cwd, s.User = r.ID, []string{r.context.language}, r.context.cwd, r.context.userSpec
	if r.spec.Cwd != "" {
		s.Cwd = r.spec.Cwd
	}
	s.ContextID, s.StateLost, s.OutputBytes, s.DroppedBytes = r.context.ID, r.stateLost, size, dropped
	s.StartedAt = r.queuedAt.UnixMilli()
	if !r.startedAt.IsZero() {
		s.StartedAt = r.startedAt.UnixMilli()
	}
	if r.interp != nil {
		s.PID = r.interp.pid
	}
	s.State = "exited"
	if !r.finished {
		s.State = "running"
		if !r.startedAt.IsZero() {
			s.WallSeconds = time.Since(r.startedAt).Seconds()
		}
	}
	return s
}

// beginLocked is its turn.
func (r *Run) beginLocked(i *interpreter, stateLost bool) {
	r.interp, r.startedAt, r.stateLost = i, time.Now(), stateLost
	if r.spec.TimeoutMs > 0 {
		r.timeout = time.AfterFunc(time.Duration(r.spec.TimeoutMs)*time.Millisecond, func() {
			r.context.stop(r, proc.ReasonTimeout)
		})
	}
}

// unbeginLocked lets it wait again.
func (r *Run) unbeginLocked() {
	if r.timeout != nil {
		r.timeout.Stop()
	}
	r.interp, r.startedAt, r.timeout = nil, time.Time{}, nil
}

// interruptLocked sends it a SIGINT, not before the driver says that it is the code's.
func (r *Run) interruptLocked() {
	r.interruptWanted = true
	if r.started {
		r.interruptNowLocked()
	}
}

func (r *Run) interruptNowLocked() {
	r.interp.interrupt()
	if r.context.driver.Shell {
		go r.interp.followUp(r.ifRunning)
	}
}

// sinceStart is how long its turn has lasted.
func (r *Run) sinceStart() time.Duration {
	r.context.mu.Lock()
	defer r.context.mu.Unlock()
	return time.Since(r.startedAt)
}

// ifRunning does something unless it is over, and says so.
func (r *Run) ifRunning(do func()) bool {
	r.context.mu.Lock()
	defer r.context.mu.Unlock()
	if !r.finished {
		do()
	}
	return !r.finished
}

// endLocked is the driver's own word.
func (r *Run) endLocked(exitCode int, used usage) {
	reason, signal := proc.ReasonExited, ""
	if r.reason != "" {
		reason, signal = r.reason, "SIGINT"
	}
	switch reason {
	case proc.ReasonTimeout:
		exitCode = timeoutExitCode
	case proc.ReasonKilled, proc.ReasonRestarted:
		exitCode = interruptedExitCode
	}
	r.finishLocked(reason, exitCode, signal, used)
}

// endWithInterpreterLocked is the end of its interpreter, and of the state.
func (r *Run) endWithInterpreterLocked(end proc.Status) {
	reason, exitCode, signal := *end.Reason, *end.ExitCode, ""
	if end.Signal != nil {
		signal = *end.Signal
	}
	if broken := r.interp.broken.Load(); broken != nil {
		r.addErrorLocked("InterpreterBroken", "the interpreter "+*broken)
	} else if r.reason == "" && reason == proc.ReasonExited {
		r.addErrorLocked("InterpreterExited", "the interpreter ended with exit code "+strconv.Itoa(exitCode)+", its state is lost")
	}
	if r.reason != "" {
		reason = r.reason
	}
	if reason == proc.ReasonTimeout {
		exitCode = timeoutExitCode
	}
	r.stateLost = true
	r.end.Leftovers = end.Leftovers
	r.finishLocked(reason, exitCode, signal, r.interp.meter.atEnd(end))
}

// endUnbegunLocked ends one whose turn never came.
func (r *Run) endUnbegunLocked(reason string) {
	exitCode := killedExitCode
	if reason == proc.ReasonTimeout {
		exitCode = timeoutExitCode
	}
	r.finishLocked(reason, exitCode, "", usage{})
}

// failToStartLocked ends one for which no interpreter could be started, with an error that says why.
func (r *Run) failToStartLocked(err error) {
	r.addErrorLocked("InterpreterNotStarted", fault.Of(err, "starting the interpreter").Message)
	r.stateLost = true
	r.finishLocked(proc.ReasonExited, notStartedExitCode, "", usage{})
}

// addErrorLocked tells what the driver can't. It waits for nobody: the state is gone, and what was not read may go too.
func (r *Run) addErrorLocked(name, value string) {
	text, _ := json.Marshal(struct { // plain data always encodes
		Type      string   `json:"type"`
		ID        string   `json:"id"`
		Name      string   `json:"name"`
		Value     string   `json:"value"`
		Traceback []string `json:"traceback"`
	}{"error", r.ID, name, value, nil})
	r.ring.AddEventNow(text)
}

// finishLocked publishes the end.
func (r *Run) finishLocked(reason string, exitCode int, signal string, used usage) {
	for _, timer := range []*time.Timer{r.timeout, r.obey} {
		if timer != nil {
			timer.Stop()
		}
	}
	now := time.Now()
	endedAt := now.UnixMilli()
	r.end.Reason, r.end.ExitCode, r.end.EndedAt = &reason, &exitCode, &endedAt
	if signal != "" {
		r.end.Signal = &signal
	}
	r.end.CPUSeconds, r.end.PeakMemoryBytes = used.cpuSeconds, used.peakBytes
	if !r.startedAt.IsZero() {
		r.end.WallSeconds = now.Sub(r.startedAt).Seconds()
	}
	r.context.table.releaseRequest(r)
	r.finished, r.request = true, nil
	r.context.table.keepFinished(r)
	r.ring.Finish()
	close(r.done)
}
