package proc

import (
	"os"
	"os/signal"
	"syscall"

	"k2sandbox.dev/agent/internal/sys"
)

// startReaper runs the only place that waits for children: the server's processes and the orphans that come to PID 1
// (or to the subreaper). It first asks who ended without reaping, so that a pid stays taken until its owner knows.
func (t *Table) startReaper() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			t.reapAll()
		}
	}()
}

func (t *Table) reapAll() {
	for {
		pid, err := sys.WaitAny()
		if err != nil || pid == 0 {
			return
		}
		if !t.reap(pid) {
			// Either an orphan or a child whose start is not finished; the lock tells them apart.
			t.forkMu.Lock()
			if !t.reap(pid) {
				var w syscall.WaitStatus
				_, _ = syscall.Wait4(pid, &w, syscall.WNOHANG, nil)
			}
			t.forkMu.Unlock()
		}
	}
}

// reap waits for one of our own; false when the pid is not known.
func (t *Table) reap(pid int) bool {
	t.mu.Lock()
	p := t.byPID[pid]
	t.mu.Unlock()
	if p == nil {
		return false
	}
	p.waitFor(pid)
	t.mu.Lock()
	delete(t.byPID, pid)
	t.mu.Unlock()
	p.ended()
	return true
}
