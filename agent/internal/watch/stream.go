package watch

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/sys"
)

const (
	readSize = 64 << 10
	// pairWait is how long the second half of a rename may take. The kernel tells both at once.
	pairWait = 5 * time.Millisecond
	// maxAhead bounds how far ahead a second half is looked for.
	maxAhead = 4096
)

// raw is one event of the kernel. end is the position behind it, in bytes since the stream's begin.
type raw struct {
	wd           int32
	mask, cookie uint32
	name         string
	end          int64
	read         time.Time
}

// stream reads an inotify descriptor.
type stream struct {
	fd   int
	file *os.File // of fd, for the runtime's poller
	buf  []byte
	next []raw
	done int64 // bytes read
}

func openStream() (*stream, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &stream{fd: fd, file: os.NewFile(uintptr(fd), "inotify"), buf: make([]byte, readSize)}, nil
}

// told is the position up to which the kernel has told of everything that happened until now.
func (s *stream) told() int64 { return s.done + int64(sys.ReadableBytes(s.fd)) }

// fill waits for events; fails with os.ErrDeadlineExceeded when there are none.
func (s *stream) fill() error {
	n, err := s.file.Read(s.buf)
	if err != nil {
		return err
	}
	now := time.Now()
	for b := s.buf[:n]; len(b) >= syscall.SizeofInotifyEvent; {
		size := syscall.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		name, _, _ := bytes.Cut(b[syscall.SizeofInotifyEvent:size], []byte{0})
		s.done += int64(size)
		s.next = append(s.next, raw{
			int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[8:]),
			string(name), s.done, now,
		})
		b = b[size:]
	}
	return nil
}

// pop returns the next event that was read.
func (s *stream) pop() raw {
	e := s.next[0]
	s.next = s.next[1:]
	return e
}

// partner finds and takes the second half of the rename that from began.
func (s *stream) partner(from raw) (to raw, ok bool) {
	for seen := 0; ; {
		for ; seen < len(s.next); seen++ {
			if to := s.next[seen]; to.cookie == from.cookie && to.mask&syscall.IN_MOVED_TO != 0 {
				s.next = append(s.next[:seen], s.next[seen+1:]...)
				return to, true
			}
		}
		deadline := from.read.Add(pairWait)
		if seen >= maxAhead || time.Now().After(deadline) {
			return raw{}, false
		}
		if s.file.SetReadDeadline(deadline) != nil || s.fill() != nil {
			return raw{}, false
		}
	}
}
