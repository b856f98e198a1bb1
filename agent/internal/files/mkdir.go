package files

import (
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Mkdir makes a folder with exactly mode; with parents also its folders (0755), and an existing one is fine.
func Mkdir(user *identity.User, path string, mode uint32, parents bool) (entry Entry, err error) {
	if err := checkPath(path); err != nil {
		return entry, err
	}
	err = user.Do(func() error {
		if err := refuseProtected(path); err != nil {
			return err
		}
		if err := mkdir(path, mode, parents); err != nil {
			return err
		}
		entry, err = stat(path, true)
		return err
	})
	if err != nil {
		return Entry{}, fault.Of(err, clip(path))
	}
	return entry, nil
}

func mkdir(path string, mode uint32, parents bool) error {
	if dir, base := splitPath(path); parents && base != "" {
		if err := makeParents(dir, 0o755); err != nil {
			return err
		}
	}
	if parents {
		if fd, err := open(path, sys.O_PATH|syscall.O_DIRECTORY); err == nil {
			return syscall.Close(fd)
		}
	}
	dirfd, base, err := openParent(path)
	if err != nil {
		return err
	}
	defer syscall.Close(dirfd)
	if err := sys.Mkdirat(dirfd, base, mode); err != nil {
		return err
	}
	return chmodNew(dirfd, base, mode)
}

// chmodNew sets the bits that the umask took, on what is surely the folder just made.
func chmodNew(dirfd int, base string, mode uint32) error {
	fd, err := sys.Openat(dirfd, base, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err == syscall.EACCES { // made without a read bit: nothing but the umask can differ
		return sys.Fchmodat(dirfd, base, mode)
	}
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Fchmod(fd, mode)
}

// makeParents makes every missing folder of path, step by step. Runs as the calling thread.
func makeParents(path string, mode uint32) error {
	if fd, err := open(path, sys.O_PATH|syscall.O_DIRECTORY); err == nil {
		return syscall.Close(fd)
	} else if err != syscall.ENOENT {
		return err
	}
	at, err := open("/", sys.O_PATH|syscall.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(at) }()
	for _, name := range strings.Split(path, "/") {
		if name == "" || name == "." {
			continue
		}
		next, err := openAt(at, name, sys.O_PATH|syscall.O_DIRECTORY)
		if err == syscall.ENOENT {
			if err = sys.Mkdirat(at, name, mode); err == nil || err == syscall.EEXIST {
				next, err = openAt(at, name, sys.O_PATH|syscall.O_DIRECTORY)
			}
		}
		if err != nil {
			return err
		}
		_ = syscall.Close(at)
		at = next
	}
	return nil
}
