package proc

import (
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
