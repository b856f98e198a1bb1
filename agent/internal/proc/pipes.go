package proc

import (
	"os"
	"syscall"

	"k2sandbox.dev/agent/internal/sys"
)

// pipes are the three standard streams: our ends don't block (they wait in the poller), the child's do.
type pipes struct {
	child          [3]uintptr
	stdin          *os.File
	stdout, stderr *os.File
}

func openPipes(withStdin bool) (*pipes, error) {
	p := &pipes{child: [3]uintptr{^uintptr(0), ^uintptr(0), ^uintptr(0)}}
	fail := func(err error) (*pipes, error) {
		p.closeChildEnds()
		p.closeOurEnds()
		return nil, err
	}
	if withStdin {
		r, w, err := pipe()
		if err != nil {
			return fail(err)
		}
		p.child[0], p.stdin = uintptr(r), ourEnd(w, "stdin")
	} else {
		fd, err := sys.Openat(sys.AT_FDCWD, "/dev/null", syscall.O_RDONLY, 0)
		if err != nil {
			return fail(err)
		}
		p.child[0] = uintptr(fd)
	}
	for i, end := range []**os.File{&p.stdout, &p.stderr} {
		r, w, err := pipe()
		if err != nil {
			return fail(err)
		}
		p.child[i+1], *end = uintptr(w), ourEnd(r, "output")
	}
	return p, nil
}

func pipe() (r, w int, err error) {
	var fds [2]int
	err = syscall.Pipe2(fds[:], syscall.O_CLOEXEC)
	return fds[0], fds[1], err
}

func ourEnd(fd int, name string) *os.File {
	_ = syscall.SetNonblock(fd, true) // fails on no open descriptor
	return os.NewFile(uintptr(fd), name)
}

func (p *pipes) closeChildEnds() {
	for i, fd := range p.child {
		if fd != ^uintptr(0) {
			_ = syscall.Close(int(fd))
			p.child[i] = ^uintptr(0)
		}
	}
}

func (p *pipes) closeOurEnds() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// pump moves one output pipe into the ring until its last writer closes it.
func (p *Process) pump(f *os.File, kind byte, which int) {
	defer f.Close()
	conn, err := f.SyscallConn()
	for err == nil {
		var n int
		var full bool
		var readErr error
		err = conn.Read(func(fd uintptr) bool {
			n, full, readErr = p.ring.readFrom(int(fd), kind)
			return full || readErr != syscall.EAGAIN
		})
		if full {
			<-p.ring.room[which]
			continue
		}
		if n == 0 || readErr != nil {
			break
		}
	}
	p.pipeClosed()
}
