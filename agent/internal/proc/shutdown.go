package proc

import (
	"context"
	"syscall"
	"time"
)

// Shutdown refuses new processes from now on, sends SIGTERM to every process group, waits up to grace for them to end
// and kills what is left. Idempotent.
func (t *Table) Shutdown(ctx context.Context, grace time.Duration) {
	t.mu.Lock()
	t.closing = true
	all := make([]*Process, 0, len(t.byPID))
	for _, p := range t.byPID {
		all = append(all, p)
	}
	t.mu.Unlock()
	for _, p := range all {
		_ = p.Signal(syscall.SIGTERM, true)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for _, p := range all {
		select {
		case <-p.done:
			continue
		case <-timer.C:
		case <-ctx.Done():
		}
		break
	}
	t.KillEverything()
}

// KillEverything ends all descendants of the agent, whoever started them.
func (t *Table) KillEverything() Killed {
	t.mu.Lock()
	for _, p := range t.byPID {
		p.markKilled()
	}
	t.mu.Unlock()
	return t.killAll(t.everything)
}

func (p *Process) markKilled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped && p.killReason == "" {
		p.killReason = ReasonKilled
	}
}

// Remove kills the process and forgets it.
func (t *Table) Remove(p *Process) {
	p.Kill(ReasonKilled)
	select {
	case <-p.done:
	case <-time.After(killBudget): // a process that the kernel can't end now; it is forgotten when it finishes
	}
	t.forget(p)
}
