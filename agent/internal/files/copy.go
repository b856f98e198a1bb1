package files

import (
	"context"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Copy copies a file, a symlink itself, or a tree, which appears whole or not at all. It keeps modes and times, for
// root also owners. Without overwrite an existing to stays. At most maxEntries and DefaultMaxBytes, as in archives.
func Copy(ctx context.Context, user *identity.User, from, to string, overwrite bool) (entry Entry, err error) {
	for _, path := range []string{from, to} {
		if err := checkPath(path); err != nil {
			return entry, err
		}
		if err := refuseProtected(path); err != nil {
			return entry, err
		}
	}
	err = user.Do(func() error {
		if err := copyTo(ctx, from, to, overwrite); err != nil {
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

func copyTo(ctx context.Context, from, to string, overwrite bool) error {
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
	c := &copier{ctx: ctx, buf: make([]byte, copyBuffer), entries: maxEntries, bytes: DefaultMaxBytes}
	if c.target, err = sys.Fstat(toDir); err != nil {
		return err
	}
	if _, err := sys.Statx(toDir, toBase, sys.AT_SYMLINK_NOFOLLOW); err == nil && !overwrite {
		return syscall.EEXIST // before the work of copying; the end asks again
	}
	temp := tempName()
	if err := c.node(fromDir, fromBase, toDir, temp, 0); err != nil {
		_ = deleteName(toDir, temp, temp, true)
		return err
	}
	unlock := lockName(toDir, toBase)
	err = place(toDir, temp, toBase, overwrite)
	unlock()
	if err != nil {
		_ = deleteName(toDir, temp, temp, true)
	}
	return err
}

// place renames what is finished.
func place(dirfd int, temp, base string, overwrite bool) error {
	if overwrite {
		return sys.Renameat2(dirfd, temp, dirfd, base, 0)
	}
	err := sys.Renameat2(dirfd, temp, dirfd, base, sys.RENAME_NOREPLACE)
	if err == syscall.EINVAL || err == syscall.ENOSYS { // a file system without RENAME_NOREPLACE
		if _, statErr := sys.Statx(dirfd, base, sys.AT_SYMLINK_NOFOLLOW); statErr == nil {
			return syscall.EEXIST
		}
		err = sys.Renameat2(dirfd, temp, dirfd, base, 0)
	}
	return err
}
