package tunnel

import (
	"context"
	"io"
	"net"
	"sync"
)

// Stream is the server's side.
type Stream struct {
	Body  io.Reader
	Write func([]byte) error // sends at once
	Stop  func()             // ends the Read of Body that waits, and later ones
}

// Join copies both ways until the connection has ended, and closes it. The end of Body ends the sending side only. An error
// means that one side was cut: then the connection was reset, and the stream has to be.
func Join(ctx context.Context, conn *net.TCPConn, s Stream) error {
	reset := func() {
		_ = conn.SetLinger(0) // tells the program that something is missing
		_ = conn.Close()
	}
	stop := context.AfterFunc(ctx, reset) // the client left, while both directions may be waiting for the program
	defer stop()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		read, written := relay(func(b []byte) error { _, err := conn.Write(b); return err }, s.Body)
		switch {
		case written != nil: // the program takes no more; what it said before is still to be read
		case read == io.EOF:
			_ = conn.CloseWrite()
		default: // the client's side was cut, or all is over and this changes nothing
			reset()
		}
	}()
	read, err := relay(s.Write, conn)
	if err == nil && read != io.EOF {
		err = read
	}
	if err != nil {
		reset()
	}
	_ = conn.Close()
	s.Stop()
	<-sent
	return err
}

// An idle direction holds a small buffer. One that fills it gets a large one, until it no longer does.
const (
	smallBuffer = 2 << 10
	largeBuffer = 64 << 10
)

var largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// relay writes what it reads, at once, until either fails; io.EOF is how reading fails at the end.
func relay(write func([]byte) error, from io.Reader) (read, written error) {
	small := make([]byte, smallBuffer)
	buf := small
	var lent *[largeBuffer]byte
	giveBack := func() {
		if lent != nil {
			largeBuffers.Put(lent)
			lent, buf = nil, small
		}
	}
	defer giveBack()
	for {
		n, read := from.Read(buf)
		if n > 0 {
			if err := write(buf[:n]); err != nil {
				return nil, err
			}
		}
		if read != nil {
			return read, nil
		}
		switch {
		case n < smallBuffer:
			giveBack()
		case lent == nil:
			lent = largeBuffers.Get().(*[largeBuffer]byte)
			buf = lent[:]
		}
	}
}
