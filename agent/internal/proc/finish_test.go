package proc

import (
	"syscall"
	"testing"
	"time"

	"k2sandbox.dev/agent/internal/output"
)

// The last pump may see its end between the reaper's wait4 and what the reaper does next: it publishes the end then.
func TestEndPublishedByTheLastPumpIsComplete(t *testing.T) {
	table := benchTable()
	table.forkMu.Lock() // keeps the reaper from the child
	defer table.forkMu.Unlock()
	before := time.Now()
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit 7"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{
		ID: "last-pump", table: table, ring: output.New(1024, 0), pid: pid, startedAt: before, openPipes: 1,
		done: make(chan struct{}),
	}
	waitUntilDead(t, pid)
	p.waitFor(pid)
	p.pipeClosed()
	<-p.Done()
	s := p.Status()
	if s.ExitCode == nil || *s.ExitCode != 7 || s.EndedAt == nil || *s.EndedAt < before.UnixMilli() || s.WallSeconds < 0 {
		t.Fatalf("%+v", s)
	}
}

// waitUntilDead leaves the dead child for whoever waits for it.
func waitUntilDead(t *testing.T, pid int) {
	t.Helper()
	const exitedNoReap = 0x4 | 0x01000000 // WEXITED | WNOWAIT
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, 1 /* P_PID */, uintptr(pid), 0, exitedNoReap, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
}
