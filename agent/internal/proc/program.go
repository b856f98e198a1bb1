package proc

import (
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// findProgram checks the working directory and finds argv[0], with the user's rights, before anything is forked:
// after the fork all failures look alike.
func findProgram(user *identity.User, spec Spec, name string) (path string, err error) {
	err = user.Do(func() error {
		if _, err := sys.Statx(sys.AT_FDCWD, spec.Cwd+"/.", 0); err != nil {
			return cwdError(err, spec.Cwd)
		}
		if strings.Contains(name, "/") {
			path = name // execve runs in the child, after chdir
			return nil
		}
		search, ok := spec.Env["PATH"]
		if !ok {
			search = defaultPath
		}
		path, err = lookPath(name, search, spec.Cwd)
		return err
	})
	return path, err
}

// CheckCwd fails with CWD_NOT_FOUND, CWD_NOT_A_DIRECTORY or CWD_NOT_ACCESSIBLE where the user can't work in cwd.
func CheckCwd(user *identity.User, cwd string) error {
	if !strings.HasPrefix(cwd, "/") || strings.IndexByte(cwd, 0) >= 0 {
		return fault.New(fault.InvalidRequest, "cwd: need an absolute path")
	}
	return user.Do(func() error {
		_, err := sys.Statx(sys.AT_FDCWD, cwd+"/.", 0)
		if err != nil {
			return cwdError(err, cwd)
		}
		return nil
	})
}

func cwdError(err error, cwd string) error {
	switch err {
	case syscall.ENOENT:
		return fault.New(fault.CwdNotFound, "working directory %q does not exist", cwd)
	case syscall.ENOTDIR:
		return fault.New(fault.CwdNotADirectory, "working directory %q is not a directory", cwd)
	case syscall.EACCES, syscall.EPERM:
		return fault.New(fault.CwdNotAccessible, "working directory %q: the user may not enter it", cwd)
	case syscall.ELOOP, syscall.ENAMETOOLONG:
		return fault.New(fault.CwdNotFound, "working directory %q: %v", cwd, err)
	}
	return fault.Of(err, "working directory "+cwd)
}

// lookPath is execvp's search: an empty element is the working directory.
func lookPath(name, search, cwd string) (string, error) {
	denied := false
	for _, dir := range strings.Split(search, ":") {
		path := dir + "/" + name
		if dir == "" {
			path = name
		}
		if !strings.HasPrefix(path, "/") {
			path = cwd + "/" + path
		}
		st, err := sys.Statx(sys.AT_FDCWD, path, 0)
		if err != nil || st.Type() == syscall.S_IFDIR {
			denied = denied || err == syscall.EACCES
			continue
		}
		switch err := sys.Faccessat2(sys.AT_FDCWD, path, 1, sys.AT_EACCESS); {
		case err == nil:
			return path, nil
		case err == syscall.EACCES:
			denied = true
		case st.Mode&0o111 != 0: // no faccessat2 here (before Linux 5.8, gVisor): execve decides
			return path, nil
		}
	}
	if denied {
		return "", fault.New(fault.CommandNotExecutable, "%q is in PATH, but the user may not execute it", clip(name))
	}
	return "", fault.New(fault.CommandNotFound, "%q is not in PATH (%s)", clip(name), clip(search))
}

// startError translates a failed fork or exec.
func startError(err error, user *identity.User, spec Spec, name, path string) error {
	errno, ok := err.(syscall.Errno)
	if !ok {
		return fault.Of(err, "starting "+clip(name))
	}
	switch errno {
	case syscall.ENOENT:
		if !strings.HasPrefix(path, "/") {
			path = spec.Cwd + "/" + path
		}
		exists := false
		_ = user.Do(func() error {
			_, err := sys.Statx(sys.AT_FDCWD, path, 0)
			exists = err == nil
			return nil
		})
		if exists {
			return fault.New(fault.CommandNotFound, "%q exists, but its interpreter (#! line or dynamic loader) does not", clip(name))
		}
		return fault.New(fault.CommandNotFound, "%q does not exist", clip(name))
	case syscall.ENOTDIR, syscall.ENAMETOOLONG:
		return fault.New(fault.CommandNotFound, "%q: %v", clip(name), errno)
	case syscall.EACCES, syscall.EPERM, syscall.ENOEXEC, syscall.ELIBBAD, syscall.EISDIR, syscall.ETXTBSY, syscall.EINVAL, syscall.ELOOP:
		return fault.New(fault.CommandNotExecutable, "%q can't be executed: %v", clip(name), errno)
	case syscall.E2BIG:
		return fault.New(fault.InvalidRequest, "argv and env together are too long for the kernel")
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE:
		return fault.New(fault.TooManyProcesses, "the sandbox can't start another process now: %v", errno)
	}
	return fault.Of(err, "starting "+clip(name))
}
