package proc

import (
	"bytes"
	"os"
	"strconv"
)

// oomCounter reads how often the kernel killed in this sandbox's memory cgroup. nil: not known here.
type oomCounter struct{ file *os.File }

func openOOMCounter() *oomCounter {
	for _, path := range []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"} {
		if f, err := os.Open(path); err == nil {
			return &oomCounter{f}
		}
	}
	return &oomCounter{}
}

// read costs one system call. v1 and v2 both have a line "oom_kill N".
func (c *oomCounter) read() int64 {
	if c.file == nil {
		return 0
	}
	var buf [512]byte
	n, _ := c.file.ReadAt(buf[:], 0)
	for line := range bytes.Lines(buf[:n]) {
		if value, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			count, _ := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			return count
		}
	}
	return 0
}
