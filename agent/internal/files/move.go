package files

import (
	"strings"
	"sync"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Move renames from to to; a symlink itself. Without overwrite an existing to stays.
func Move(user *identity.User, from, to string, overwrite bool) (entry Entry, err error) {
	for _, path := range []string{from, to} {
		if err := checkPath(path); err != nil {
			return entry, err
		}
		if err := refuseProtected(path); err != nil {
			return entry, err
		}
	}
	err = user.Do(func() error {
		if err := move(from, to, overwrite); err != nil {
			return err
		}
		entry, err = stat(strings.TrimRight(to, "/"), false)
		return err
	})
	if err != nil {
		return Entry{}, fault.Of(err, clip(from)+" to "+clip(to))
	}
	return entry, nil
}

func move(from, to string, overwrite bool) error {
	fromDir, fromBase, err := openParent(from)
	if err != nil {
		return err
	}
	defer syscall.Close(fromDir)
	toDir, toBase, err := openParent(to)
	if err != nil {
		return err
	}
	defer syscall.Close(toDir)
	flags := uintptr(sys.RENAME_NOREPLACE)
	if overwrite {
		flags = 0
	}
	unlock := sync.OnceFunc(lockName(toDir, toBase))
	defer unlock()
	err = sys.Renameat2(fromDir, fromBase, toDir, toBase, flags)
	if (err == syscall.EINVAL || err == syscall.ENOSYS) && !overwrite {
		// A file system without RENAME_NOREPLACE.
		if _, statErr := sys.Statx(toDir, toBase, sys.AT_SYMLINK_NOFOLLOW); statErr == nil {
			return syscall.EEXIST
		}
		err = sys.Renameat2(fromDir, fromBase, toDir, toBase, 0)
	}
	if err == syscall.EXDEV {
		unlock() // copying takes long; its rename locks again
		return moveAcross(fromDir, fromBase, toDir, toBase, flags)
	}
	if err == syscall.EINVAL {
		return fault.New(fault.InvalidRequest, "a directory can't be moved into itself")
	}
	return err
}

func moveAcross(fromDir int, from string, toDir int, to string, flags uintptr) error {
	if flags == sys.RENAME_NOREPLACE { // before the work of copying; the rename at its end asks again
		if _, err := sys.Statx(toDir, to, sys.AT_SYMLINK_NOFOLLOW); err == nil {
			return syscall.EEXIST
		}
	}
	return moveByCopy(fromDir, from, toDir, to, flags)
}
