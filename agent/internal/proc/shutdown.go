package proc

import (
	"context"
	"syscall"
	"time"
)

const (
	firstLook   = 2 * time.Millisecond
	longestLook = 50 * time.Millisecond
)

// Shutdown refuses new processes from now on, sends SIGTERM to all that runs, also to what ended commands left in the
// background, waits up to grace for it to end and kills what is left. Idempotent.
func (t *Table) Shutdown(ctx context.Context, grace time.Duration) {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	for _, s := range t.everything() {
		t.send(s.pid, syscall.SIGTERM)
	}
	end := time.Now().Add(grace)
	for pause := firstLook; time.Now().Before(end) && len(t.everything()) > 0; pause = min(2*pause, longestLook) {
		select {
		case <-ctx.Done():
			end = time.Time{}
		case <-time.After(min(pause, time.Until(end))):
		}
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

// Remove kills the process and forgets it. What a kill does not find loses its terminal.
func (t *Table) Remove(p *Process) {
	p.Kill(ReasonKilled)
	select {
	case <-p.done:
	case <-time.After(killBudget): // a process that the kernel can't end now; it is forgotten when it finishes
	}
	p.hangUp()
	t.forget(p)
}
