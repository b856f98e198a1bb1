// Package files is what the API does to files: each operation with the rights of one user, on descriptors, so that
// nobody can swap a folder for a symlink under it.
package files

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/sys"
)

const (
	maxPath = 4095
	maxName = 255
)

// checkPath accepts absolute paths of any bytes but NUL.
func checkPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return fault.New(fault.InvalidRequest, "path %q is not absolute", clip(path))
	case strings.IndexByte(path, 0) >= 0:
		return fault.New(fault.InvalidRequest, "path: NUL byte")
	case len(path) > maxPath:
		return fault.New(fault.InvalidRequest, "path is longer than %d bytes", maxPath)
	}
	return nil
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// splitPath cuts the last component off, trailing slashes ignored. base is "" for the root.
func splitPath(path string) (dir, base string) {
	path = strings.TrimRight(path, "/")
	at := strings.LastIndexByte(path, '/')
	if at < 0 {
		return "/", ""
	}
	return path[:at+1], path[at+1:]
}

// open opens path as the calling thread, never through a magic link of /proc, and refuses what belongs to the agent.
func open(path string, flags int) (int, error) { return openAt(sys.AT_FDCWD, path, flags) }

func openAt(dirfd int, path string, flags int) (int, error) {
	fd, err := sys.Openat2(dirfd, path, flags, 0, sys.RESOLVE_NO_MAGICLINKS)
	switch err {
	case nil:
	case syscall.ENOSYS, syscall.EPERM:
		if fd, err = openStepwise(dirfd, path, flags); err != nil {
			return -1, err
		}
	case syscall.ELOOP:
		return -1, loopError(dirfd, path)
	default:
		return -1, err
	}
	if err := refuseOwn(fd); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

// loopError tells a loop of symlinks from a magic link.
func loopError(dirfd int, path string) error {
	fd, err := sys.Openat(dirfd, path, sys.O_PATH, 0)
	if err == nil {
		_ = syscall.Close(fd)
		return fault.New(fault.Refused, "%q goes through a link of /proc to what another process has open", clip(path))
	}
	return fault.New(fault.InvalidRequest, "%q goes through too many symbolic links", clip(path))
}

// refuseOwn refuses the agent's own files in /proc, however they were reached.
func refuseOwn(fd int) error {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(fd, &fs); err != nil || int64(fs.Type) != sys.ProcSuperMagic {
		return nil
	}
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return fault.New(fault.Refused, "a file of /proc that can't be named")
	}
	if isOwnProc(path) {
		return fault.New(fault.Refused, "%s belongs to the sandbox's agent", clip(path))
	}
	return nil
}

// isOwnProc: /proc/<pid> of the agent, and /proc/<tid> of each of its threads, which works as well.
func isOwnProc(path string) bool {
	rest, ok := strings.CutPrefix(path, "/proc/")
	if !ok {
		return false
	}
	first, _, _ := strings.Cut(rest, "/")
	if first == "self" || first == "thread-self" || first == strconv.Itoa(os.Getpid()) {
		return true
	}
	if _, err := strconv.Atoi(first); err != nil {
		return false
	}
	_, err := sys.Statx(sys.AT_FDCWD, "/proc/self/task/"+first, sys.AT_SYMLINK_NOFOLLOW)
	return err == nil
}

// openStepwise is for kernels without openat2 (gVisor): it resolves symlinks itself and refuses what leads through the
// agent's own folder in /proc. A program that swaps links meanwhile can win against it, not against openat2.
func openStepwise(dirfd int, path string, flags int) (int, error) {
	if dirfd != sys.AT_FDCWD {
		return sys.Openat(dirfd, path, flags, 0)
	}
	done, rest, links := "", path, 0
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			done = done[:max(strings.LastIndexByte(done, '/'), 0)]
			continue
		}
		next := done + "/" + name
		if isOwnProc(next) {
			return -1, fault.New(fault.Refused, "%s belongs to the sandbox's agent", clip(next))
		}
		if rest == "" && flags&syscall.O_NOFOLLOW != 0 {
			return sys.Openat(sys.AT_FDCWD, next, flags, 0)
		}
		target, err := sys.Readlinkat(sys.AT_FDCWD, next)
		if err != nil {
			done = next
			continue
		}
		if strings.HasPrefix(next, "/proc/") && strings.Count(next, "/") >= 3 {
			return -1, fault.New(fault.Refused, "%s is a link of /proc", clip(next))
		}
		if links++; links > 40 {
			return -1, syscall.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			done = ""
		}
		rest = target + "/" + rest
	}
	if done == "" || strings.HasSuffix(path, "/") {
		done += "/"
	}
	// O_NOFOLLOW: the last name was no link a moment ago.
	return sys.Openat(sys.AT_FDCWD, done, flags|syscall.O_NOFOLLOW, 0)
}

// openParent opens the folder of path and returns the last name. Fails for the root and names that are no names.
func openParent(path string) (dirfd int, base string, err error) {
	dir, base := splitPath(path)
	switch {
	case base == "" || base == "." || base == "..":
		return -1, "", fault.New(fault.Refused, "%q is the root or names a folder by a dot", clip(path))
	case len(base) > maxName:
		return -1, "", fault.New(fault.InvalidRequest, "name %q is longer than %d bytes", clip(base), maxName)
	}
	dirfd, err = open(dir, sys.O_PATH|syscall.O_DIRECTORY)
	return dirfd, base, err
}

// refuseProtected keeps changes away from the agent's own folders.
func refuseProtected(path string) error {
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	if strings.HasPrefix(first, ".k2") {
		return fault.New(fault.Refused, "/%s belongs to the sandbox's agent", clip(first))
	}
	return nil
}
