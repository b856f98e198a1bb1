package kernel

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/proc"
	"k2sandbox.dev/agent/internal/sys"
)

// ticks is USER_HZ, which the kernel shows to programs on every architecture that Go runs on.
const ticks = 100

// shortWhile is how long a run takes that can't hold much more than it has at its end.
const shortWhile = 2 * time.Millisecond

// usage is what a run took.
type usage struct {
	cpuSeconds float64
	peakBytes  int64
}

// meter measures the runs of one interpreter. Its files of /proc stay open: they never become another process's.
type meter struct {
	pid          int
	stat, status *os.File
	clearRefs    *os.File // nil: not allowed, peaks are those of the interpreter's life
	before       float64
	heldBytes    int64 // at the latest look
}

// openMeter opens clear_refs with the user's rights: root here may lack those to another's file.
func openMeter(pid int, user *identity.User) *meter {
	dir := "/proc/" + strconv.Itoa(pid)
	m := &meter{pid: pid}
	m.stat, _ = os.Open(dir + "/stat")
	m.status, _ = os.Open(dir + "/status")
	_ = user.Do(func() error {
		fd, err := sys.Openat(sys.AT_FDCWD, dir+"/clear_refs", syscall.O_WRONLY, 0)
		if err == nil {
			m.clearRefs = os.NewFile(uintptr(fd), "clear_refs")
		}
		return err
	})
	return m
}

func (m *meter) close() {
	for _, f := range []*os.File{m.stat, m.status, m.clearRefs} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// begin makes the next read tell of what is used from now on.
func (m *meter) begin() {
	if m.clearRefs != nil {
		_, _ = m.clearRefs.Write([]byte("5"))
	}
	m.before = m.cpuSeconds()
}

// read tells what was used since begin, which is so long ago. Of a short while the peak is what is held now: to ask the kernel for
// more would take longer than many a run.
func (m *meter) read(since time.Duration) usage {
	cpu := m.cpuSeconds()
	peak := m.heldBytes
	if since > shortWhile {
		peak = m.peakBytes()
	}
	return usage{max(0, cpu-m.before), peak}
}

// atEnd is what the kernel says of one that has ended.
func (m *meter) atEnd(end proc.Status) usage {
	return usage{max(0, end.CPUSeconds-m.before), end.PeakMemoryBytes}
}

// cpuSeconds is what the interpreter has used, with the children that it waited for.
func (m *meter) cpuSeconds() float64 {
	var buf [1024]byte
	n, _ := m.stat.ReadAt(buf[:], 0)
	text := buf[:n]
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const own, children, after, held = 11, 13, 15, 21
	if len(fields) <= held {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[held]), 10, 64)
	m.heldBytes = pages * int64(os.Getpagesize())
	sum := func(fields [][]byte) (total float64) {
		for _, field := range fields {
			n, _ := strconv.Atoi(string(field))
			total += float64(n) / ticks
		}
		return total
	}
	if ts, err := sys.ProcessCPU(m.pid); err == nil { // exact, where ticks are 10 ms
		return float64(ts.Sec) + float64(ts.Nsec)/1e9 + sum(fields[children:after])
	}
	return sum(fields[own:after])
}

var peakLine = []byte("VmHWM:")

// peakBytes is the most memory that it has held at once since begin.
func (m *meter) peakBytes() int64 {
	var buf [2048]byte
	n, _ := m.status.ReadAt(buf[:], 0)
	at := bytes.Index(buf[:n], peakLine)
	if at < 0 {
		return 0
	}
	fields := bytes.Fields(buf[at+len(peakLine) : n])
	if len(fields) == 0 {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return kilobytes * 1024
}
