package jupyter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// socket is one connection of a ZeroMQ socket, as ZMTP 3.0 (RFC 23) with the NULL mechanism has it: all that a client of one
// kernel needs of ZeroMQ.
type socket struct {
	conn    net.Conn
	in      *bufio.Reader
	writing sync.Mutex
}

const (
	more    = 1 // another part of the message follows
	long    = 2 // the length has eight bytes instead of one
	command = 4

	greetWithin = 10 * time.Second
	// maxMessage bounds what a kernel can make us hold: it is the user's program.
	maxMessage = 256 << 20
	maxParts   = 1024
)

// greeting: signature, version 3.0, mechanism, not a server.
var greeting = append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'}, make([]byte, 48)...)

// dialSocket connects a socket of a type, as DEALER or SUB. A SUB gets all topics.
func dialSocket(address, kind string) (*socket, error) {
	conn, err := net.DialTimeout("tcp", address, greetWithin)
	if err != nil {
		return nil, err
	}
	s, err := greet(conn, kind)
	if err != nil {
		_ = conn.Close()
	}
	return s, err
}

func greet(conn net.Conn, kind string) (*socket, error) {
	s := &socket{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	_ = conn.SetDeadline(time.Now().Add(greetWithin))
	if _, err := conn.Write(greeting); err != nil {
		return nil, err
	}
	theirs := make([]byte, len(greeting))
	if _, err := io.ReadFull(s.in, theirs); err != nil {
		return nil, err
	}
	if theirs[0] != 0xff || theirs[9]&1 == 0 || theirs[10] < 3 || !bytes.HasPrefix(theirs[12:], []byte("NULL\x00")) {
		return nil, errors.New("the kernel does not speak ZMTP 3 without authentication")
	}
	ready := append([]byte("\x05READY\x0bSocket-Type"), binary.BigEndian.AppendUint32(nil, uint32(len(kind)))...)
	if err := s.write(frame(command, append(ready, kind...))); err != nil {
		return nil, err
	}
	flags, body, err := s.readFrame(4 << 10)
	if err != nil {
		return nil, err
	}
	if flags&command == 0 || !bytes.HasPrefix(body, []byte("\x05READY")) {
		return nil, fmt.Errorf("the kernel refused the connection: %q", body[:min(len(body), 100)])
	}
	if kind == "SUB" {
		err = s.write(frame(0, []byte{1}))
	}
	_ = conn.SetDeadline(time.Time{})
	return s, err
}

func (s *socket) close() { _ = s.conn.Close() }

// send writes a message. Safe for several goroutines.
func (s *socket) send(parts [][]byte) error {
	var all []byte
	for i, part := range parts {
		flags := byte(more)
		if i == len(parts)-1 {
			flags = 0
		}
		all = append(all, frame(flags, part)...)
	}
	return s.write(all)
}

func (s *socket) write(all []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.conn.Write(all)
	return err
}

// receive waits for a message. One goroutine at a time.
func (s *socket) receive() ([][]byte, error) {
	var parts [][]byte
	left := maxMessage
	for {
		flags, body, err := s.readFrame(left)
		if err != nil {
			return nil, err
		}
		if flags&command != 0 {
			continue // of what later versions say there is nothing that must be answered
		}
		left -= len(body)
		parts = append(parts, body)
		if flags&more == 0 {
			return parts, nil
		}
		if len(parts) > maxParts {
			return nil, errors.New("a message has too many parts")
		}
	}
}

func (s *socket) readFrame(most int) (flags byte, body []byte, err error) {
	flags, err = s.in.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	if flags&^(more|long|command) != 0 {
		return 0, nil, fmt.Errorf("a frame has the flags %#x", flags)
	}
	size := make([]byte, 1)
	if flags&long != 0 {
		size = make([]byte, 8)
	}
	if _, err := io.ReadFull(s.in, size); err != nil {
		return 0, nil, err
	}
	length := uint64(size[0])
	if flags&long != 0 {
		length = binary.BigEndian.Uint64(size)
	}
	if length > uint64(most) {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too long", length)
	}
	// Grown as it comes: a length is only a claim.
	var whole bytes.Buffer
	if _, err := io.CopyN(&whole, s.in, int64(length)); err != nil {
		return 0, nil, err
	}
	return flags, whole.Bytes(), nil
}

func frame(flags byte, body []byte) []byte {
	if len(body) < 256 {
		return append([]byte{flags, byte(len(body))}, body...)
	}
	head := binary.BigEndian.AppendUint64([]byte{flags | long}, uint64(len(body)))
	return append(head, body...)
}
