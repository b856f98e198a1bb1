package link

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	connectBuffer  = 256 << 10
	connectTimeout = 5 * time.Second
)

// Connect joins in and out to the agent at the unix socket path. The peer must be process wantPID (0: any): only PID 1
// is surely the agent. Returns when the agent's side has ended, or in has and the agent closed after it.
func Connect(path string, wantPID int, in io.Reader, out io.Writer) error {
	c, err := net.DialTimeout("unix", path, connectTimeout)
	if err != nil {
		return err
	}
	conn := c.(*net.UnixConn)
	defer conn.Close()
	peer, err := peerOf(conn)
	if err != nil {
		return err
	}
	if wantPID != 0 && int(peer.Pid) != wantPID {
		return fmt.Errorf("%s belongs to process %d, not to the agent", path, peer.Pid)
	}
	go func() {
		_, err := copyLarge(conn, in)
		_ = conn.CloseWrite()
		if err != nil {
			_ = conn.Close()
		}
	}()
	_, err = copyLarge(out, conn)
	return err
}

// copyLarge hides ReadFrom and WriteTo: splice moves 64 KiB at a time between pipes and sockets, and needs a pipe more.
func copyLarge(to io.Writer, from io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, connectBuffer))
}

// ConnectStdio is Connect on this process's standard streams.
func ConnectStdio(path string, wantPID int) error {
	return Connect(path, wantPID, os.Stdin, os.Stdout)
}
