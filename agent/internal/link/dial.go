package link

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	firstRedial  = 20 * time.Millisecond
	lastRedial   = time.Second
	helloTimeout = 5 * time.Second
)

var errRefused = errors.New("the server refused the token")

// Dial joins the server at the unix socket path, proves itself with token, serves, and starts over when the connection
// is lost, until ctx ends.
func Dial(ctx context.Context, path, token string, handler http.Handler) error {
	wait := firstRedial
	for {
		conn, err := hello(ctx, path, token)
		if err == nil {
			wait = firstRedial
			serveOne(ctx, conn, handler)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		if err != nil {
			wait = min(wait*2, lastRedial)
		}
	}
}

func hello(ctx context.Context, path, token string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: helloTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(helloTimeout))
	answer := make([]byte, len("OK\n")) // exactly: what follows is HTTP/2
	_, err = io.WriteString(conn, "K2AGENT/1 "+token+"\n")
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err == nil && string(answer) != "OK\n" {
		err = errRefused
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, nil
}
