package kernel

import (
	"slices"
	"sync"
	"time"

	"k2sandbox.dev/agent/internal/drivers"
	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/proc"
)

// maxWaiting bounds the runs that wait their turn in one context.
const maxWaiting = 64

// Context is an interpreter with state, and the runs that wait for it.
type Context struct {
	ID        string
	language  string
	cwd       string
	userSpec  string
	table     *Table
	driver    *drivers.Driver
	env       map[string]string
	user      *identity.User
	createdAt time.Time

	restartTurn sync.Mutex // one restart at a time

	mu         sync.Mutex
	interp     *interpreter // nil: dead, or starting
	starting   *start       // nil: none is being started
	restarting bool         // nothing begins meanwhile
	removed    bool
	lost       bool // the state was lost, and no run was told yet
	version    string
	current    *Run
	waiting    []*Run
	runs       int
	starts     int
}

// Info is what the API tells of a context.
type Info struct {
	ID             string `json:"id"`
	Language       string `json:"language"`
	Version        string `json:"version"`
	Cwd            string `json:"cwd"`
	User           string `json:"user"`
	State          string `json:"state"`
	PID            int    `json:"pid"`
	CreatedAt      int64  `json:"created_at"`
	ExecutionCount int    `json:"execution_count"`
	Restarts       int    `json:"restarts"`
}

// Info tells how it stands.
func (c *Context) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := Info{
		ID: c.ID, Language: c.language, Version: c.version, Cwd: c.cwd, User: c.userSpec, State: "dead",
		CreatedAt: c.createdAt.UnixMilli(), ExecutionCount: c.runs, Restarts: max(0, c.starts-1),
	}
	switch {
	case c.starting != nil || c.restarting:
		info.State = "starting"
	case c.current != nil:
		info.State = "busy"
	case c.interp != nil:
		info.State = "idle"
	}
	if c.interp != nil {
		info.PID = c.interp.pid
	}
	return info
}

// Run adds a run, which begins when those before it have ended; at once if there are none.
func (c *Context) Run(spec RunSpec) (*Run, error) {
	r, err := newRun(c, spec)
	if err != nil {
		return nil, err
	}
	if err := c.table.addRun(r); err != nil {
		return nil, err
	}
	if err := c.enqueue(r); err != nil {
		c.table.releaseRequest(r)
		c.table.forget(r)
		return nil, err
	}
	return r, nil
}

func (c *Context) enqueue(r *Run) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return notFound(c.ID)
	}
	if len(c.waiting) >= maxWaiting {
		return fault.New(fault.TooManyProcesses, "%d runs wait for context %q already", maxWaiting, c.ID)
	}
	c.waiting = append(c.waiting, r)
	c.advanceLocked()
	return nil
}

// advanceLocked gives the next run its turn when nothing runs. c.mu held.
func (c *Context) advanceLocked() {
	if c.current != nil || len(c.waiting) == 0 || c.restarting || c.removed {
		return
	}
	if c.interp == nil {
		c.startLocked()
		return
	}
	r := c.waiting[0]
	c.waiting = slices.Delete(c.waiting, 0, 1)
	c.current = r
	c.runs++
	r.beginLocked(c.interp, c.lost)
	c.lost = false
	c.interp.begin(r)
}

// running finds the run that an interpreter has now; nil: none, or not that one.
func (c *Context) running(i *interpreter, id string) *Run {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.current; r != nil && r.interp == i && r.ID == id {
		return r
	}
	return nil
}

// runStarted is the driver's word that an interrupt is the code's from now on.
func (c *Context) runStarted(r *Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.started = true
	if r.interruptWanted && !r.finished {
		r.interruptNowLocked()
	}
}

// runEnded is the driver's word that the code is over.
func (c *Context) runEnded(r *Run, exitCode int) {
	used := r.interp.meter.read(r.sinceStart())
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.finished || r.doomed {
		return
	}
	r.endLocked(exitCode, used)
	c.current = nil
	c.advanceLocked()
}

// interpreterEnded ends the run that it had. One that the driver had not even begun is given to the next interpreter, once.
func (c *Context) interpreterEnded(i *interpreter, end proc.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interp == i {
		c.interp = nil
	}
	r := c.current
	switch {
	case r == nil || r.interp != i:
		c.lost = !c.restarting
	case r.started || r.reason != "" || r.retried || i.broken.Load() != nil:
		r.endWithInterpreterLocked(end)
		c.current = nil
	default:
		r.retried = true
		c.lost = true
		c.current = nil
		c.runs--
		r.unbeginLocked()
		c.waiting = slices.Insert(c.waiting, 0, r)
	}
	c.advanceLocked()
}

// Interrupt ends what runs in it, as Ctrl-C would. No-op when nothing does.
func (c *Context) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.interruptLocked()
	}
}

// stop ends a run for a reason: interrupted first, and where it does not obey its interpreter is ended.
func (c *Context) stop(r *Run, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.finished || r.reason != "" {
		return
	}
	if i := slices.Index(c.waiting, r); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
		r.endUnbegunLocked(reason)
		return
	}
	if c.current != r {
		return // it was refused
	}
	r.reason = reason
	r.ring.Release() // a reader that is slow must not keep it from obeying
	r.interruptLocked()
	i := r.interp
	r.obey = time.AfterFunc(obeyWithin, func() {
		if r.ifRunning(func() { r.doomed = true }) {
			i.kill(reason)
		}
	})
}
