package proc

import (
	"bytes"
	"strconv"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
)

// Signal sends sig to the process's group, or to it alone. Fails with PROCESS_NOT_FOUND once it has ended.
func (p *Process) Signal(sig syscall.Signal, group bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return fault.New(fault.ProcessNotFound, "process %q has ended", p.ID)
	}
	if p.pid <= 1 {
		return fault.New(fault.Internal, "process %q has no pid", p.ID)
	}
	target := p.pid
	if group {
		target = -p.pid
	}
	if err := syscall.Kill(target, sig); err != nil && err != syscall.ESRCH {
		return fault.Of(err, "signalling process "+p.ID)
	}
	return nil
}

// Unaware finds the members of its process group, itself not, that would have ended by sig and live: those that it has not reached
// because they were only being started.
func (p *Process) Unaware(sig syscall.Signal) []int {
	buf := make([]byte, 4096)
	var found []int
	for _, s := range snapshot(p.table.self) {
		if s.pgrp == p.pid && s.pid != p.pid && endsBy(s.pid, sig, buf) {
			found = append(found, s.pid)
		}
	}
	return found
}

// endsBy says whether a process neither blocks nor ignores nor handles sig.
func endsBy(pid int, sig syscall.Signal, buf []byte) bool {
	text, ok := readProcFile(pid, "/status", buf)
	for _, name := range []string{"SigBlk:", "SigIgn:", "SigCgt:"} {
		at := bytes.Index(text, []byte(name))
		if !ok || at < 0 {
			return false
		}
		field, _, _ := bytes.Cut(bytes.TrimSpace(text[at+len(name):]), []byte("\n"))
		mask, err := strconv.ParseUint(string(field), 16, 64)
		if err != nil || mask&(1<<(sig-1)) != 0 {
			return false
		}
	}
	return true
}

// SignalMember sends sig to a process that Unaware found.
func (p *Process) SignalMember(pid int, sig syscall.Signal) { p.table.send(pid, sig) }
