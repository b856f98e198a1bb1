package files

import (
	"context"
	"io"
	"os"
	"path"
	"strconv"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Attributes is what SetAttributes changes. Mode: permission bits, nil keeps them; not of symlinks. Mtime in unix
// milliseconds, nil keeps it.
type Attributes struct {
	Mode  *uint32
	Owner identity.Owner
	Mtime *int64
}

// SetAttributes changes what path leads to; with recursive the tree below as well, following no symlink (path itself
// included) and crossing no mount. It stops at the first entry that the user may not change; what was changed before
// stays so.
func SetAttributes(ctx context.Context, user *identity.User, p string, to Attributes, recursive bool) (Entry, error) {
	if err := checkPath(p); err != nil {
		return Entry{}, err
	}
	if err := refuseProtected(p); err != nil {
		return Entry{}, err
	}
	s := &attributeSetter{ctx, user, to, maxWalked}
	entry, err := s.top(path.Clean(p), p, recursive)
	if err != nil {
		return Entry{}, fault.Of(err, clip(p))
	}
	return entry, nil
}

type attributeSetter struct {
	ctx  context.Context
	user *identity.User
	to   Attributes
	left int
}

func (s *attributeSetter) top(clean, p string, recursive bool) (entry Entry, err error) {
	flags := sys.O_PATH
	if recursive {
		flags |= syscall.O_NOFOLLOW
	}
	fd := -1
	err = s.user.Do(func() (err error) {
		fd, err = open(p, flags)
		return err
	})
	if err != nil {
		return entry, err
	}
	defer syscall.Close(fd)
	if err := s.node(fd, recursive, 0); err != nil {
		return entry, err
	}
	st, err := sys.Fstat(fd)
	target := ""
	if st.Type() == syscall.S_IFLNK {
		target, _ = sys.Readlinkat(fd, "")
	}
	return newEntry(path.Base(clean), clean, st, target), err
}

// node changes the file of an O_PATH descriptor. A folder comes after what is in it, since the change may shut it,
// unless it has to be opened by the change.
func (s *attributeSetter) node(fd int, recursive bool, depth int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.left--; s.left < 0 || depth > maxDepth {
		return fault.New(fault.TooLarge, "more than %d entries, or deeper than %d folders", maxWalked, maxDepth)
	}
	st, err := sys.Fstat(fd)
	if err != nil {
		return err
	}
	if recursive && st.Type() == syscall.S_IFDIR {
		list := -1
		err := s.user.Do(func() (err error) {
			list, err = openFolder(fd, ".")
			if err == syscall.EACCES {
				if err = s.apply(fd, st); err == nil {
					list, err = openFolder(fd, ".")
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := s.folder(list, depth); err != nil {
			return err
		}
	}
	return s.user.Do(func() error { return s.apply(fd, st) })
}

// folder owns list.
func (s *attributeSetter) folder(list, depth int) error {
	f := os.NewFile(uintptr(list), "folder")
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		for _, name := range names {
			if err := s.child(list, name, depth); err != nil {
				return fault.Of(err, clip(name))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *attributeSetter) child(dirfd int, name string, depth int) error {
	fd := -1
	err := s.user.Do(func() (err error) {
		fd, err = sys.Openat(dirfd, name, sys.O_PATH|syscall.O_NOFOLLOW, 0)
		return err
	})
	if err == syscall.ENOENT { // gone since
		return nil
	}
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	st, err := sys.Fstat(fd)
	if err != nil || st.MountRoot {
		return err
	}
	if err := refuseOwn(fd); err != nil {
		return err
	}
	return s.node(fd, true, depth+1)
}

// apply runs as the calling thread. The owner comes first: changing it takes setuid and setgid bits.
func (s *attributeSetter) apply(fd int, st sys.Stat) error {
	if s.to.Owner != identity.KeepOwner {
		if err := sys.Fchownat(fd, "", s.to.Owner.UID, s.to.Owner.GID, sys.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if st.Type() == syscall.S_IFLNK {
		return nil
	}
	// chmod and utimes of an O_PATH descriptor: only through this link, which names the open file and nothing else.
	self := "/proc/self/fd/" + strconv.Itoa(fd)
	if s.to.Mode != nil {
		if err := sys.Fchmodat(sys.AT_FDCWD, self, *s.to.Mode); err != nil {
			return err
		}
	}
	if s.to.Mtime == nil {
		return nil
	}
	sec, ms := *s.to.Mtime/1000, *s.to.Mtime%1000
	if ms < 0 {
		sec, ms = sec-1, ms+1000
	}
	return sys.SetMtime(self, sec, ms*1e6)
}
