package proc

import (
	"syscall"
	"time"
)

// waitFor takes the dead child from the kernel and writes down how it ended. All of it under the lock that signals are sent
// under, since from then on the pid may be someone else's, and that the pumps look under: the last one publishes the end.
func (p *Process) waitFor(pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = syscall.Wait4(pid, &p.wait, syscall.WNOHANG, &p.usage)
	p.exitedAt = time.Now()
	p.reaped = true
}

// ended goes on after waitFor. Called once, by the reaper.
func (p *Process) ended() {
	if p.held != nil {
		_ = p.held.Close()
	}
	p.mu.Lock()
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

// pipeClosed is called after each pump.
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
	p.ring.Finish()
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
