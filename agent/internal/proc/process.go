package proc

import (
	"os"
	"sync"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/output"
)

// Process is one that the server started.
type Process struct {
	ID    string
	table *Table
	spec  Spec
	user  *identity.User
	argv  []string // as shown
	tag   uint64   // 0: tags don't work here
	ring  *output.Ring

	hidden    bool // an interpreter: see Spec.Attach
	startedAt time.Time
	oomBefore int64
	scriptDir string

	stdin     *os.File      // nil unless "pipe" or a terminal
	stdinTurn chan struct{} // capacity 1: writers take turns

	terminal *os.File // our end of its terminal, which the pump reads and closes; nil: pipes
	held     *os.File // its end, open until the process has ended: else the output would end where it closes and reopens it

	launched chan struct{} // closed when started, or when that failed
	pid      int           // written before launched is closed and before the table knows it; 0: it failed
	done     chan struct{} // closed when finished

	mu         sync.Mutex
	reaped     bool
	killReason string // set before SIGKILL is sent by us
	wait       syscall.WaitStatus
	usage      syscall.Rusage
	exitedAt   time.Time
	openPipes  int
	drainTimer *time.Timer
	timeout    *time.Timer
	size       *Size // of the terminal
	finishing  bool
	finished   bool
	reason     string

	keepTimer *time.Timer // table.mu
	leftovers int         // written once, before finished
}

func (p *Process) isLaunched() bool {
	select {
	case <-p.launched:
		return p.pid > 1
	default:
		return false
	}
}

func (p *Process) isFinished() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.finished
}

// Follow reads the output from a payload offset on; false when the offset lies in the future.
func (p *Process) Follow(offset int64, withTime bool) (*output.Follower, bool) {
	return p.ring.Follow(offset, withTime)
}

// PID is its process id, also after its end.
func (p *Process) PID() int { return p.pid }

// Done is closed when the process has ended and its output is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Status tells how it stands. It says "running" until the output is complete.
func (p *Process) Status() Status {
	size, dropped := p.ring.Counts()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{
		ID: p.ID, PID: p.pid, Argv: p.argv, Cwd: p.spec.Cwd, User: p.spec.User, State: "running",
		StartedAt: p.startedAt.UnixMilli(), OutputBytes: size, DroppedBytes: dropped,
		Label: p.spec.Label, KeepAlive: p.spec.KeepAlive,
		PTY: p.size,
	}
	if !p.finished {
		s.WallSeconds = time.Since(p.startedAt).Seconds()
		return s
	}
	s.State, s.Reason, s.Leftovers = "exited", &p.reason, p.leftovers
	endedAt := p.exitedAt.UnixMilli()
	s.EndedAt = &endedAt
	code := exitCode(p.wait)
	if p.reason == ReasonTimeout {
		code = timeoutExitCode
	}
	s.ExitCode = &code
	if p.wait.Signaled() {
		name := signalName(p.wait.Signal())
		s.Signal = &name
	}
	s.CPUSeconds = seconds(p.usage.Utime) + seconds(p.usage.Stime)
	s.PeakMemoryBytes = p.usage.Maxrss * 1024
	s.WallSeconds = p.exitedAt.Sub(p.startedAt).Seconds()
	return s
}

func exitCode(w syscall.WaitStatus) int {
	if w.Signaled() {
		return 128 + int(w.Signal())
	}
	return w.ExitStatus()
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
