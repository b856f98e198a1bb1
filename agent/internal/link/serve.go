// Package link joins the agent to its server: over a socket it dials, one it listens on, or its standard streams. On
// every link the agent is the HTTP/2 server.
package link

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Windows and frames, see README.md. What a body waits for its reader with, a stuck program's for ever, is taken from the
// connection's window: it must hold many streams', and is what memory they can take. A link that stays silent gets a ping, and ends when that stays unanswered.
const (
	streamWindow     = 1 << 20
	connectionWindow = 32 << 20
	frameSize        = 1 << 20
	maxStreams       = 1000
	pingAfter        = 15 * time.Second
	pingTimeout      = 15 * time.Second
	maxHeader        = 64 << 10
	headerTimeout    = 10 * time.Second
)

func newServer(handler http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          log.New(os.Stderr, "agent: ", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReadFrameSize:              frameSize,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connectionWindow,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
	}
}

// serveOne serves one connection and returns when it has ended.
func serveOne(ctx context.Context, conn net.Conn, handler http.Handler) {
	once := &oneConn{conn: conn, gone: make(chan struct{})}
	server := newServer(handler)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			once.end()
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close(); once.end() })
	defer stop()
	_ = server.Serve(once) // always ends with the listener's net.ErrClosed
	_ = server.Close()
}

// oneConn is a listener of one connection.
type oneConn struct {
	mu    sync.Mutex
	conn  net.Conn
	gone  chan struct{}
	ended sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	l.mu.Lock()
	conn := l.conn
	l.conn = nil
	l.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	<-l.gone
	return nil, net.ErrClosed
}

func (l *oneConn) end()           { l.ended.Do(func() { close(l.gone) }) }
func (l *oneConn) Close() error   { l.end(); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "agent"} }
