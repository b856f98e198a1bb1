package proc

import (
	"os"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// pipes are the three standard streams: our ends don't block (they wait in the poller), the child's do. They are made with the
// user's rights: else no program of the user's could open /dev/stdout or /dev/fd/2.
type pipes struct {
	child          [3]uintptr
	stdin          *os.File
	stdout, stderr *os.File // a terminal has no stderr
	held           *os.File // the child's end of a terminal once more, see Process.held
}

const noFD = ^uintptr(0)

func openPipes(withStdin bool) (*pipes, error) {
	p := &pipes{child: [3]uintptr{noFD, noFD, noFD}}
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

// Pipe opens one for an interpreter: ours waits in the poller, theirs blocks and is the user's.
func Pipe(user *identity.User, weWrite bool) (ours, theirs *os.File, err error) {
	var r, w int
	err = user.Do(func() (err error) {
		r, w, err = pipe()
		return err
	})
	if err != nil {
		return nil, nil, fault.Of(err, "opening pipes")
	}
	if weWrite {
		return ourEnd(w, "to the interpreter"), os.NewFile(uintptr(r), "of the interpreter"), nil
	}
	return ourEnd(r, "from the interpreter"), os.NewFile(uintptr(w), "of the interpreter"), nil
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
		if fd != noFD && (i == 0 || fd != p.child[0]) { // a terminal is all three
			_ = syscall.Close(int(fd))
		}
	}
	p.child = [3]uintptr{noFD, noFD, noFD}
}

func (p *pipes) closeOurEnds() {
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr, p.held} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// maxRead is more than a ring takes at once.
const maxRead = 1 << 20

// pump moves one output into the ring until its last writer closes it (a terminal says so with EIO).
func (p *Process) pump(f *os.File, kind byte, which int) {
	defer f.Close()
	conn, err := f.SyscallConn()
	for err == nil {
		var n int
		var full bool
		var readErr error
		err = conn.Read(func(fd uintptr) bool {
			n, full, readErr = p.ring.ReadFrom(int(fd), kind, maxRead)
			return full || readErr != syscall.EAGAIN
		})
		if full {
			<-p.ring.Room(which)
			continue
		}
		if n == 0 || readErr != nil {
			break
		}
	}
}
