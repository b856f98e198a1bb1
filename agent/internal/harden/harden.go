// Package harden sets up the agent's own process: nobody may read its memory, orphans come to it, and it stays
// small and alive when the sandbox's memory or process table is full.
package harden

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"k2sandbox.dev/agent/internal/sys"
)

const (
	// memoryLimit is soft: the garbage collector works harder near it, nothing fails.
	memoryLimit = 48 << 20
	// threads started before any user code runs. A full process table refuses new threads, and Go ends the
	// process when it can't start one. Bounded blocking work (identity.MaxBusy) and the runtime's own threads fit in.
	threads = 32
)

// Memory makes the process unreadable for others (/proc/PID/mem, environ, fd): first thing after the start.
func Memory() error { return sys.Prctl(sys.PR_SET_DUMPABLE, 0) }

// Process sets what a long-running agent needs; call it once, before the first goroutine of ours.
func Process() {
	// PID 1 gets the orphans anyway; elsewhere (local engine, tests) they come to us through this.
	_ = sys.Prctl(sys.PR_SET_CHILD_SUBREAPER, 1)
	closeOnExec()
	if os.Getuid() == 0 {
		_ = syscall.Setgroups(nil) // the image's /etc/group may give root groups; every thread starts without
	}
	syscall.Umask(0o022)
	runtime.GOMAXPROCS(min(2, runtime.NumCPU()))
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(50)
	prewarm()
	debug.FreeOSMemory()
}

// closeOnExec keeps what whoever started us left open from our children.
func closeOnExec() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// prewarm starts threads by holding each of them at once.
func prewarm() {
	var up, done sync.WaitGroup
	release := make(chan struct{})
	for range threads {
		up.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			up.Done()
			<-release
			runtime.UnlockOSThread()
		}()
	}
	up.Wait()
	close(release)
	done.Wait()
}

// TakeSecret returns a copy of the environment variable name, then clears the whole environment: Go's copies of the
// value and the block that the kernel put on the initial stack (which /proc/PID/environ shows).
func TakeSecret(name string) string {
	value, ok := syscall.Getenv(name)
	secret := strings.Clone(value)
	if ok && value != "" {
		// syscall's environment lives on Go's heap, so it can be overwritten in place.
		clear(unsafe.Slice(unsafe.StringData(value), len(value)))
	}
	os.Clearenv()
	wipeEnvironBlock()
	return secret
}

func wipeEnvironBlock() {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return
	}
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const envStart, envEnd = 50 - 3, 51 - 3 // proc(5) counts from 1; the first field after the name is the third
	if len(fields) <= envEnd {
		return
	}
	start, err1 := strconv.ParseInt(fields[envStart], 10, 64)
	end, err2 := strconv.ParseInt(fields[envEnd], 10, 64)
	if err1 != nil || err2 != nil || end <= start || end-start > 4<<20 {
		return
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer mem.Close()
	_, _ = mem.WriteAt(make([]byte, end-start), start)
}
