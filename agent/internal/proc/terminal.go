package proc

import (
	"os"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/sys"
)

// Size is that of a terminal, in characters.
type Size struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

// maxSize is more than any screen has; programs allocate what they are told.
const maxSize = 4096

func (s Size) check() error {
	if s.Cols < 1 || s.Cols > maxSize || s.Rows < 1 || s.Rows > maxSize {
		return fault.New(fault.InvalidRequest, "cols, rows: need 1 to %d each", maxSize)
	}
	return nil
}

// openTerminal makes a pseudo terminal whose one end is all three streams of the child. Made with the user's rights, so
// that the kernel makes that end the user's. Ours is two descriptors, one to read and one to write: they end at different times.
func openTerminal(size Size) (*pipes, error) {
	p := &pipes{child: [3]uintptr{noFD, noFD, noFD}}
	fail := func(err error) (*pipes, error) {
		p.closeChildEnds()
		p.closeOurEnds()
		return nil, fault.New(fault.TerminalUnavailable, "the sandbox has no terminal to give: %v", err)
	}
	master, err := sys.Openat(sys.AT_FDCWD, "/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fail(err)
	}
	p.stdout = ourEnd(master, "terminal")
	if err := sys.UnlockTerminal(master); err != nil {
		return fail(err)
	}
	if err := sys.SetWindowSize(master, size.Cols, size.Rows); err != nil {
		return fail(err)
	}
	input, err := sys.DupCloexec(master)
	if err != nil {
		return fail(err)
	}
	p.stdin = ourEnd(input, "terminal")
	held, err := openPeer(master)
	if err != nil {
		return fail(err)
	}
	p.held = os.NewFile(uintptr(held), "terminal of the process")
	peer, err := openPeer(master)
	if err != nil {
		return fail(err)
	}
	p.child = [3]uintptr{uintptr(peer), uintptr(peer), uintptr(peer)}
	return p, nil
}

func openPeer(master int) (int, error) {
	fd, err := sys.TerminalPeer(master)
	if err == syscall.ENOTTY || err == syscall.EINVAL { // gVisor, and before Linux 4.13
		fd, err = openPeerByName(master)
	}
	return fd, err
}

func openPeerByName(master int) (int, error) {
	n, err := sys.TerminalNumber(master)
	if err != nil {
		return -1, err
	}
	return sys.Openat(sys.AT_FDCWD, "/dev/pts/"+itoa(n), syscall.O_RDWR|syscall.O_NOCTTY, 0)
}

// Resize tells the terminal its new size; the kernel sends SIGWINCH. Fails with PROCESS_NOT_FOUND once the process has ended.
func (p *Process) Resize(size Size) error {
	if err := size.check(); err != nil {
		return err
	}
	if p.terminal == nil {
		return fault.New(fault.InvalidRequest, "process %q was started without a terminal", p.ID)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return fault.New(fault.ProcessNotFound, "process %q has ended", p.ID)
	}
	conn, err := p.terminal.SyscallConn()
	if err != nil {
		return fault.Of(err, "resizing the terminal of "+p.ID)
	}
	var sizeErr error
	if err := conn.Control(func(fd uintptr) { sizeErr = sys.SetWindowSize(int(fd), size.Cols, size.Rows) }); err != nil || sizeErr != nil {
		return fault.New(fault.Internal, "resizing the terminal of %q: %v, %v", p.ID, err, sizeErr)
	}
	p.size = &size
	return nil
}

// hangUp takes the terminal from whatever still has it: SIGHUP for its foreground, errors for the rest. Idempotent.
func (p *Process) hangUp() {
	if p.terminal != nil {
		_ = p.stdin.Close()
		_ = p.terminal.Close()
	}
}
