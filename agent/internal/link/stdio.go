package link

import (
	"context"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// Stdio serves one connection on standard input and output and returns when it ends. Children get neither: they are
// moved away from descriptors 0 and 1.
func Stdio(ctx context.Context, handler http.Handler) error {
	in, err := takeOver(0, "stdin")
	if err != nil {
		return err
	}
	out, err := takeOver(1, "stdout")
	if err != nil {
		return err
	}
	serveOne(ctx, &stdioConn{in, out}, handler)
	return nil
}

// takeOver moves a standard stream to a descriptor of our own that doesn't block.
func takeOver(fd int, name string) (*os.File, error) {
	syscall.ForkLock.RLock()
	own, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(own)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil {
		_ = syscall.Dup3(int(null.Fd()), fd, syscall.O_CLOEXEC)
		_ = null.Close()
	}
	_ = syscall.SetNonblock(own, true) // of a plain file it is refused, and not needed
	return os.NewFile(uintptr(own), name), nil
}

// stdioConn is a connection of two files.
type stdioConn struct{ in, out *os.File }

func (c *stdioConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *stdioConn) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *stdioConn) Close() error {
	_ = c.in.Close()
	return c.out.Close()
}
func (c *stdioConn) LocalAddr() net.Addr  { return &net.UnixAddr{Net: "unix", Name: "stdio"} }
func (c *stdioConn) RemoteAddr() net.Addr { return c.LocalAddr() }
func (c *stdioConn) SetReadDeadline(t time.Time) error {
	return ignoreNoDeadline(c.in.SetReadDeadline(t))
}
func (c *stdioConn) SetWriteDeadline(t time.Time) error {
	return ignoreNoDeadline(c.out.SetWriteDeadline(t))
}
func (c *stdioConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// ignoreNoDeadline: plain files have none, and never wait.
func ignoreNoDeadline(err error) error {
	if err == os.ErrNoDeadline {
		return nil
	}
	return err
}
