package ports

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/identity"
)

// maxProcesses and maxLinks bound one search through /proc.
const (
	maxProcesses = 4096
	maxLinks     = 64 << 10
)

// owners finds the lowest process id that has each of the sockets open. Who looks at descriptors must have the ids of the
// process, or a capability that the agent does not have: so it looks as each process's user. What changed its user, or is not
// dumpable, stays unknown.
func owners(inodes map[uint64]bool) map[uint64]int {
	found := map[uint64]int{}
	if len(inodes) == 0 {
		return found
	}
	links := maxLinks
	for who, pids := range processes() {
		user := &identity.User{UID: who.uid, GID: who.gid}
		_ = user.Do(func() error { // fails where the agent is another user and not root
			for _, pid := range pids {
				links = sockets(pid, links, func(inode uint64) {
					if first, known := found[inode]; inodes[inode] && (!known || pid < first) {
						found[inode] = pid
					}
				})
			}
			return nil
		})
	}
	return found
}

type ids struct{ uid, gid uint32 }

// processes lists those that have one user and one group, by these.
func processes() map[ids][]int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(2 * maxProcesses) // what there is when it fails
	found := map[ids][]int{}
	count := 0
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || count == maxProcesses {
			continue
		}
		count++
		if who, ok := idsOf(pid); ok {
			found[who] = append(found[who], pid)
		}
	}
	for _, pids := range found {
		slices.Sort(pids)
	}
	return found
}

func idsOf(pid int) (ids, bool) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return ids{}, false
	}
	uid, ok1 := sameID(status, "\nUid:")
	gid, ok2 := sameID(status, "\nGid:")
	return ids{uid, gid}, ok1 && ok2
}

// sameID reads the real, effective and saved id, if they are one.
func sameID(status []byte, name string) (uint32, bool) {
	at := bytes.Index(status, []byte(name))
	if at < 0 {
		return 0, false
	}
	line, _, _ := bytes.Cut(status[at+len(name):], []byte("\n"))
	f := bytes.Fields(line)
	if len(f) < 3 || !bytes.Equal(f[0], f[1]) || !bytes.Equal(f[0], f[2]) {
		return 0, false
	}
	id, err := strconv.ParseUint(string(f[0]), 10, 32)
	return uint32(id), err == nil
}

// sockets calls each for the sockets that the process has open, after at most that many descriptors; it gives what is left of these.
func sockets(pid, links int, each func(inode uint64)) int {
	path := "/proc/" + strconv.Itoa(pid) + "/fd"
	dir, err := os.Open(path)
	if err != nil {
		return links
	}
	defer dir.Close()
	const batch = 512
	var buf [64]byte
	for links > 0 {
		names, err := dir.Readdirnames(min(batch, links))
		links -= len(names)
		for _, name := range names {
			n, err := syscall.Readlink(path+"/"+name, buf[:])
			if err != nil {
				continue
			}
			text, isSocket := strings.CutPrefix(string(buf[:n]), "socket:[")
			if inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64); isSocket && err == nil {
				each(inode)
			}
		}
		if err != nil {
			break
		}
	}
	return links
}

// nameOf is what the kernel calls a process; programs can change it.
func nameOf(pid int) string {
	name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return strings.TrimSuffix(string(name), "\n")
}
