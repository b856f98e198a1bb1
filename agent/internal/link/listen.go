package link

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Listen serves every connection to the unix socket path whose peer has the agent's own uid (0 in a sandbox).
func Listen(ctx context.Context, path string, handler http.Handler) error {
	listener, err := listen(path)
	if err != nil {
		return err
	}
	server := newServer(handler)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	return server.Serve(&ownPeers{listener})
}

// listen makes the socket where nobody else can reach or replace it.
func listen(path string) (*net.UnixListener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Getuid() {
		return nil, fmt.Errorf("%s must be a folder of uid %d", dir, os.Getuid())
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// ownPeers accepts connections of our own uid only. Uids of another user namespace show as the overflow uid.
type ownPeers struct{ *net.UnixListener }

func (l *ownPeers) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			if errno := err.(*net.OpError); errno.Temporary() {
				time.Sleep(10 * time.Millisecond) // out of descriptors: net/http would do the same
				continue
			}
			return nil, err
		}
		if peer, err := peerOf(conn); err == nil && int(peer.Uid) == os.Getuid() {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func peerOf(conn *net.UnixConn) (*syscall.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return cred, credErr
}
