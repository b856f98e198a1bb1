package files

import (
	"io"
	"os"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Delete removes a file, a symlink itself, an empty folder, or with recursive a tree. It follows no symlink and
// crosses no mount.
func Delete(user *identity.User, path string, recursive bool, condition Condition) error {
	if err := checkPath(path); err != nil {
		return err
	}
	err := user.Do(func() error {
		if err := refuseProtected(path); err != nil {
			return err
		}
		dirfd, base, err := openParent(path)
		if err != nil {
			return err
		}
		defer syscall.Close(dirfd)
		if condition == (Condition{}) {
			return deleteName(dirfd, base, path, recursive)
		}
		unlock := lockName(dirfd, base)
		defer unlock()
		if err := condition.check(dirfd, base, path); err != nil {
			return err
		}
		return deleteName(dirfd, base, path, recursive)
	})
	if err != nil {
		return fault.Of(err, clip(path))
	}
	return nil
}

func deleteName(dirfd int, base, path string, recursive bool) error {
	st, err := sys.Statx(dirfd, base, sys.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	if st.MountRoot {
		return fault.New(fault.Refused, "%q is a mount point", clip(path))
	}
	if st.Type() != syscall.S_IFDIR {
		return sys.Unlinkat(dirfd, base, 0)
	}
	err = sys.Unlinkat(dirfd, base, sys.AT_REMOVEDIR)
	if err != syscall.ENOTEMPTY && err != syscall.EEXIST {
		return err
	}
	if !recursive {
		return fault.New(fault.IsADirectory, "%q is a directory and not empty; ask for recursive=1", clip(path))
	}
	return deleteTree(dirfd, base, st)
}

// level is a folder that is being emptied.
type level struct {
	name     string
	dev, ino uint64
}

// deleteTree empties and removes a folder with two descriptors at any depth: it climbs back by "..", and stops when
// that is not the folder it came from (somebody moved it away).
func deleteTree(dirfd int, base string, st sys.Stat) error {
	top, err := openFolder(dirfd, base)
	if err != nil {
		return err
	}
	at := top
	defer func() { _ = syscall.Close(at) }()
	stack := []level{{base, st.Dev, st.Ino}}
	for len(stack) > 0 {
		down, err := emptyFolder(at)
		if err != nil {
			return err
		}
		if down != nil {
			next, err := openFolder(at, down.name)
			if err != nil {
				return err
			}
			_ = syscall.Close(at)
			at = next
			here, err := sys.Fstat(at)
			if err != nil {
				return err
			}
			if here.MountRoot {
				return fault.New(fault.Refused, "%q in it is a mount point", clip(down.name))
			}
			stack = append(stack, level{down.name, here.Dev, here.Ino})
			continue
		}
		name := stack[len(stack)-1].name
		stack = stack[:len(stack)-1]
		if len(stack) == 0 {
			return sys.Unlinkat(dirfd, name, sys.AT_REMOVEDIR)
		}
		up, err := sys.Openat(at, "..", syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		_ = syscall.Close(at)
		at = up
		here, err := sys.Fstat(at)
		if err != nil {
			return err
		}
		if parent := stack[len(stack)-1]; here.Ino != parent.ino || here.Dev != parent.dev {
			return fault.New(fault.Refused, "the tree was moved while it was being deleted")
		}
		if err := sys.Unlinkat(at, name, sys.AT_REMOVEDIR); err != nil && err != syscall.ENOENT {
			return err
		}
	}
	return nil
}

func openFolder(dirfd int, name string) (int, error) {
	return sys.Openat(dirfd, name, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

// emptyFolder unlinks what it can and returns the first folder that has something in it.
func emptyFolder(fd int) (*level, error) {
	// A descriptor of its own: reading moves the position, and the folder is read anew each time.
	own, err := openFolder(fd, ".")
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(own), "folder")
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		for _, name := range names {
			down, err := deleteOne(fd, name)
			if down || err != nil {
				return &level{name: name}, err
			}
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// deleteOne unlinks name; down: it is a folder that is not empty.
func deleteOne(dirfd int, name string) (down bool, err error) {
	err = sys.Unlinkat(dirfd, name, 0)
	if err == syscall.EISDIR || err == syscall.EPERM {
		err = sys.Unlinkat(dirfd, name, sys.AT_REMOVEDIR)
		if err == syscall.ENOTEMPTY || err == syscall.EEXIST {
			return true, nil
		}
	}
	if err == syscall.ENOENT {
		err = nil
	}
	if err != nil {
		return false, fault.Of(err, clip(name))
	}
	return false, nil
}
