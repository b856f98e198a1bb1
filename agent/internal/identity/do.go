package identity

import (
	"os"
	"runtime"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/sys"
)

// MaxBusy bounds the operations that hold a thread at once (see harden: threads are started in advance).
const MaxBusy = 16

var busy = make(chan struct{}, MaxBusy)

var ownUID = uint32(os.Getuid())

// Do runs fn on one thread whose file-system identity is the user's: uid, gid, groups; the kernel takes the file
// capabilities from the thread when the uid leaves 0. fn must not start goroutines that depend on the identity and
// must not wait for the network. Not re-entrant: fn must not call Do.
func (u *User) Do(fn func() error) error {
	busy <- struct{}{}
	defer func() { <-busy }()
	if ownUID != 0 {
		if u.UID != ownUID {
			return fault.New(fault.PermissionDenied, "user %s: the agent does not run as root and can only act as uid %d", u.Name, ownUID)
		}
		return fn()
	}
	if u.UID == 0 && u.GID == 0 {
		return fn()
	}
	runtime.LockOSThread()
	if !become(u.UID, u.GID, u.Groups) {
		leave()
		return fault.New(fault.PermissionDenied, "user %s: the agent lacks the capabilities SETUID and SETGID", u.Name)
	}
	defer leave()
	return fn()
}

// Blocking runs fn, which blocks a thread but needs no identity, within the same bound.
func Blocking(fn func() error) error {
	busy <- struct{}{}
	defer func() { <-busy }()
	return fn()
}

// become switches groups and gid before the uid: afterwards the thread still may switch back, its capability sets
// other than the file ones are untouched.
func become(uid, gid uint32, groups []uint32) bool {
	if sys.SetThreadGroups(groups) != nil || !sys.SetThreadFsgid(gid) || !sys.SetThreadFsuid(uid) {
		return false
	}
	keepUndumpable()
	return true
}

// leave restores root's identity. When that fails it ends the goroutine, and with it the thread, which is still locked
// to it: nothing ever runs on a thread with a wrong identity.
func leave() {
	ok := sys.SetThreadFsuid(0) && sys.SetThreadFsgid(0) && sys.SetThreadGroups(nil) == nil
	keepUndumpable()
	if !ok {
		runtime.Goexit()
	}
	runtime.UnlockOSThread()
}

// keepUndumpable: a change of the file-system uid sets dumpable to fs.suid_dumpable, which a host may have at 1.
func keepUndumpable() {
	if suidDumpable {
		_ = sys.Prctl(sys.PR_SET_DUMPABLE, 0)
	}
}

var suidDumpable = func() bool {
	b, err := os.ReadFile("/proc/sys/fs/suid_dumpable")
	return err != nil || len(b) == 0 || b[0] != '0'
}()
