package files

import (
	"fmt"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/sys"
)

// Condition is what must be true of the file at the moment of a change; each an etag, "*" (any file) or "" (no matter).
type Condition struct{ IfMatch, IfNoneMatch string }

// etag names one state of a file. The kernel sets ctime at each change and lets nobody choose it.
func etag(st sys.Stat) string {
	return fmt.Sprintf("%x-%x-%x", st.Ino, st.Size, st.CtimeSec*1e9+int64(st.CtimeNsec))
}

// of judges a file as it was found.
func (c Condition) of(st sys.Stat, exists bool, path string) error {
	switch {
	case c.IfMatch != "" && !exists:
		return c.failed(path, "it does not exist")
	case c.IfMatch != "" && c.IfMatch != "*" && c.IfMatch != etag(st):
		return c.failed(path, "its etag is "+etag(st))
	case c.IfNoneMatch == "*" && exists:
		return c.failed(path, "it exists")
	case c.IfNoneMatch != "" && exists && c.IfNoneMatch == etag(st):
		return c.failed(path, "its etag is "+etag(st))
	}
	return nil
}

// check judges what is at base now.
func (c Condition) check(dirfd int, base, path string) error {
	if c == (Condition{}) {
		return nil
	}
	st, err := sys.Statx(dirfd, base, sys.AT_SYMLINK_NOFOLLOW)
	if err != nil && err != syscall.ENOENT {
		return err
	}
	return c.of(st, err == nil, path)
}

func (c Condition) failed(path, fact string) error {
	return fault.New(fault.PreconditionFailed, "%q: %s; nothing was changed", clip(path), fact)
}

// moveNew renames a file to a name that nobody has, in one step; made: the temporary name is gone.
func moveNew(dirfd int, temp, base string) (made bool, err error) {
	err = sys.Renameat2(dirfd, temp, dirfd, base, sys.RENAME_NOREPLACE)
	if err != syscall.EINVAL && err != syscall.ENOSYS {
		return err == nil, err
	}
	// A file system without RENAME_NOREPLACE. The second name goes with the upload's end.
	return false, sys.Linkat(dirfd, temp, dirfd, base)
}

// maxTick is more than any kernel's tick, which is how coarse ctime may be.
const maxTick = 50 * time.Millisecond

// becomeNewer waits until the new file's ctime is past the old one's: inode numbers are used again, so within one tick
// two states of equal size could have the same etag.
func (w *write) becomeNewer(mode uint32) error {
	for deadline := time.Now().Add(maxTick); w.exists; time.Sleep(time.Millisecond) {
		st, err := sys.Fstat(w.fd)
		if err != nil {
			return err
		}
		newer := st.CtimeSec > w.target.CtimeSec || st.CtimeSec == w.target.CtimeSec && st.CtimeNsec > w.target.CtimeNsec
		if newer || time.Now().After(deadline) { // a clock that was set back
			return nil
		}
		if err := syscall.Fchmod(w.fd, mode); err != nil {
			return err
		}
	}
	return nil
}
