package proc

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"syscall"

	"k2sandbox.dev/agent/internal/sys"
)

// seen is one process of /proc.
type seen struct {
	pid, ppid, pgrp, session int
	state                    byte
	tag                      uint64
}

func (s *seen) dead() bool { return s.state == 'Z' || s.state == 'X' }

func itoa(n int) string { return strconv.Itoa(n) }

// pids lists the process ids of /proc.
func pids() []int {
	fd, err := sys.Openat(sys.AT_FDCWD, "/proc", syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	var found []int
	buf := make([]byte, 8192)
	for {
		n, err := syscall.ReadDirent(fd, buf)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return found
		}
		// struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name; read here because os.ReadDir costs three times as much.
		for b := buf[:n]; len(b) > 19; {
			length := int(binary.NativeEndian.Uint16(b[16:]))
			pid := 0
			for _, c := range b[19:length] {
				if c == 0 {
					break
				}
				if c < '0' || c > '9' {
					pid = 0
					break
				}
				pid = pid*10 + int(c-'0')
			}
			if pid > 0 {
				found = append(found, pid)
			}
			b = b[length:]
		}
	}
}

func readProcFile(pid int, name string, buf []byte) ([]byte, bool) {
	fd, err := sys.Openat(sys.AT_FDCWD, "/proc/"+itoa(pid)+name, syscall.O_RDONLY, 0)
	if err != nil {
		return nil, false
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, buf)
	return buf[:max(n, 0)], err == nil && n > 0
}

// look reads one process; buf is scratch space.
func look(pid int, buf []byte) (seen, bool) {
	text, ok := readProcFile(pid, "/stat", buf)
	if !ok {
		return seen{}, false
	}
	// pid (name) state ppid pgrp session: the name may hold anything, so the last parenthesis counts.
	at := bytes.LastIndexByte(text, ')')
	if at < 0 {
		return seen{}, false
	}
	f := bytes.Fields(text[at+1:])
	if len(f) < 4 {
		return seen{}, false
	}
	number := func(b []byte) int { n, _ := strconv.Atoi(string(b)); return n }
	s := seen{pid: pid, state: f[0][0], ppid: number(f[1]), pgrp: number(f[2]), session: number(f[3])}
	if s.dead() {
		return s, true
	}
	s.tag, _ = readTag(pid, buf)
	return s, true
}

// snapshot reads all living processes but this one.
func snapshot(self int) []seen {
	buf := make([]byte, 4096)
	var all []seen
	for _, pid := range pids() {
		if pid == self {
			continue
		}
		if s, ok := look(pid, buf); ok && !s.dead() {
			all = append(all, s)
		}
	}
	return all
}
