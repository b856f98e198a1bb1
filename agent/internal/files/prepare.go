package files

import (
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// MakeCwd makes path and its missing folders, owned by the user; created: it was not there. Where the user may not
// make it, root does, but then no symlink may be on the way: it could lead root anywhere.
func MakeCwd(user *identity.User, path string) (created bool, err error) {
	if err := checkPath(path); err != nil {
		return false, err
	}
	exists := false
	err = user.Do(func() error {
		fd, err := open(path, sys.O_PATH|syscall.O_DIRECTORY)
		if err == nil {
			exists = true
			return syscall.Close(fd)
		}
		if err != syscall.ENOENT {
			return err
		}
		if err := refuseProtected(path); err != nil {
			return err
		}
		return makeParents(path, 0o755)
	})
	if err == syscall.EACCES || err == syscall.EPERM {
		err = makeAsRoot(user, path)
	}
	switch err {
	case nil:
		return !exists, nil
	case syscall.ENOTDIR, syscall.EEXIST:
		return false, fault.New(fault.CwdNotADirectory, "%q is, or has on its way, something that is not a directory", clip(path))
	case syscall.EACCES, syscall.EPERM:
		return false, fault.New(fault.CwdNotAccessible, "%q can't be made or entered by the user", clip(path))
	}
	return false, fault.Of(err, clip(path))
}

// CanEnter says whether the user can work in path.
func CanEnter(user *identity.User, path string) bool {
	return user.Do(func() error {
		fd, err := open(path, sys.O_PATH|syscall.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer func() { _ = syscall.Close(fd) }()
		// A folder can be named without the right to search it; what is in it can't.
		inside, err := sys.Openat(fd, ".", sys.O_PATH|syscall.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		return syscall.Close(inside)
	}) == nil
}

func makeAsRoot(user *identity.User, path string) error {
	at, err := sys.Openat(sys.AT_FDCWD, "/", sys.O_PATH|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(at) }()
	for _, name := range strings.Split(path, "/") {
		switch name {
		case "", ".":
			continue
		case "..":
			return syscall.EACCES
		}
		next, err := sys.Openat(at, name, sys.O_PATH|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
		if err == syscall.ENOENT {
			if err = sys.Mkdirat(at, name, 0o755); err != nil {
				return err
			}
			if err = sys.Fchownat(at, name, int(user.UID), int(user.GID), sys.AT_SYMLINK_NOFOLLOW); err != nil {
				_ = sys.Unlinkat(at, name, sys.AT_REMOVEDIR)
				return err
			}
			next, err = sys.Openat(at, name, sys.O_PATH|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
		}
		if err != nil {
			return err
		}
		_ = syscall.Close(at)
		at = next
	}
	return nil
}
