package proc

import (
	"syscall"
	"time"
)

// ended takes what wait4 said. Called once, by the reaper.
func (p *Process) ended(wait syscall.WaitStatus, usage syscall.Rusage) {
	p.mu.Lock()
	p.wait, p.usage, p.exitedAt = wait, usage, time.Now()
	p.reaped = true
	if p.timeout != nil {
		p.timeout.Stop()
	}
	finish := p.openPipes == 0
	if !finish {
		// Children that outlived it may hold the pipes for ever.
		p.drainTimer = time.AfterFunc(milliseconds(p.spec.DrainMs, defaultDrainMs), p.finish)
	}
	p.mu.Unlock()
	if finish {
		p.finish()
	}
}

// pipeClosed is called by each pump at its end.
func (p *Process) pipeClosed() {
	p.mu.Lock()
	p.openPipes--
	finish := p.openPipes == 0 && p.reaped
	p.mu.Unlock()
	if finish {
		p.finish()
	}
}

// finish publishes the end. Idempotent.
func (p *Process) finish() {
	p.mu.Lock()
	if p.finishing {
		p.mu.Unlock()
		return
	}
	p.finishing = true
	if p.drainTimer != nil {
		p.drainTimer.Stop()
	}
	p.mu.Unlock()

	if p.stdin != nil {
		_ = p.stdin.Close()
	}
	p.removeScript()
	leftovers := p.table.countLeftovers(p)

	p.mu.Lock()
	p.leftovers = leftovers
	p.reason = p.reasonLocked()
	p.finished = true
	p.mu.Unlock()
	p.table.keepFinished(p, milliseconds(p.spec.KeepMs, defaultKeepMs))
	p.ring.finish()
	close(p.done)
}

func (p *Process) reasonLocked() string {
	killed := p.wait.Signaled() && p.wait.Signal() == syscall.SIGKILL
	switch {
	case p.killReason != "":
		return p.killReason
	case (killed || p.wait.ExitStatus() == 128+int(syscall.SIGKILL)) && p.table.oom.read() > p.oomBefore:
		return ReasonOutOfMemory
	case p.wait.Signaled():
		return ReasonSignaled
	}
	return ReasonExited
}
