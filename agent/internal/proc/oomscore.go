package proc

import (
	"syscall"

	"k2sandbox.dev/agent/internal/sys"
)

// childOOMScore makes the kernel choose what users run before the agent when memory runs out.
const childOOMScore = "600"

// preferForOOM raises a child's oom_score_adj, best effort: the file belongs to the child's user, so it is written with
// that identity (root here may lack DAC_OVERRIDE). A child that has ended, or one that forked before, stays as it was.
func (p *Process) preferForOOM() {
	_ = p.user.Do(func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.reaped {
			return nil
		}
		fd, err := sys.Openat(sys.AT_FDCWD, "/proc/"+itoa(p.pid)+"/oom_score_adj", syscall.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		_, err = syscall.Write(fd, []byte(childOOMScore))
		return err
	})
}
