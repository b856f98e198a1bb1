package files

import (
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/sys"
)

// OpenFolder opens a folder for reading, as the calling thread.
func OpenFolder(path string) (int, error) {
	if err := checkPath(path); err != nil {
		return -1, err
	}
	return open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK)
}

// OpenBelow opens rel in the folder dirfd, as the calling thread, and follows no symlink; the last one itself is opened
// with O_PATH.
func OpenBelow(dirfd int, rel string, flags int) (int, error) {
	flags |= syscall.O_NOFOLLOW
	fd, err := sys.Openat2(dirfd, rel, flags, 0, sys.RESOLVE_BENEATH|sys.RESOLVE_NO_MAGICLINKS|sys.RESOLVE_NO_SYMLINKS)
	if err == syscall.ENOSYS || err == syscall.EPERM { // gVisor
		fd, err = openBelowStepwise(dirfd, rel, flags)
	}
	if err != nil {
		return -1, err
	}
	if err := refuseOwn(fd); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func openBelowStepwise(dirfd int, rel string, flags int) (int, error) {
	at, err := sys.Openat(dirfd, ".", sys.O_PATH|syscall.O_DIRECTORY, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = syscall.Close(at) }()
	for {
		name, rest, more := strings.Cut(rel, "/")
		if !more {
			return sys.Openat(at, name, flags, 0)
		}
		next, err := sys.Openat(at, name, sys.O_PATH|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			return -1, err
		}
		_ = syscall.Close(at)
		at, rel = next, rest
	}
}

// TypeName is the API's word for S_IFMT bits.
func TypeName(bits uint32) string { return typeNames[bits] }
