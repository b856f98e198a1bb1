package files

import (
	"errors"
	"io"
	"path"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

const (
	defaultMode = 0o644
	maxLinks    = 40
)

// WriteOptions: Mode < 0 keeps the file's, 0644 for a new one.
type WriteOptions struct {
	Mode      int
	Owner     identity.Owner
	Condition Condition
}

// write is one upload under way: into a new file beside the target, or where that can't be, into the target itself.
type write struct {
	user    *identity.User
	path    string
	dirfd   int
	base    string
	options WriteOptions
	target  sys.Stat
	exists  bool
	fd      int
	temp    string // "" when writing in place
	written int64
}

// Write replaces the content of path with body, and makes its folders. The old content stays untouched until all of
// body was read; only where the user may write the file but not its folder, it is overwritten as body comes.
func Write(user *identity.User, path string, options WriteOptions, body io.Reader) (Entry, error) {
	if err := checkPath(path); err != nil {
		return Entry{}, err
	}
	w := &write{user: user, path: path, options: options, dirfd: -1, fd: -1}
	defer w.close()
	if err := user.Do(w.begin); err != nil {
		return Entry{}, fault.Of(err, clip(path))
	}
	if err := w.copy(body); err != nil {
		return Entry{}, fault.Of(err, clip(path))
	}
	var entry Entry
	err := user.Do(func() (err error) {
		entry, err = w.commit()
		return err
	})
	if err != nil {
		return Entry{}, fault.Of(err, clip(path))
	}
	return entry, nil
}

func (w *write) begin() error {
	if err := refuseProtected(w.path); err != nil {
		return err
	}
	if strings.HasSuffix(w.path, "/") {
		return fault.New(fault.IsADirectory, "%q ends in a slash", clip(w.path))
	}
	if err := w.findTarget(); err != nil {
		return err
	}
	if err := w.options.Condition.of(w.target, w.exists, w.path); err != nil {
		return err
	}
	if w.exists {
		if err := w.mayOverwrite(); err != nil {
			return err
		}
	}
	temp := tempName()
	fd, err := sys.Openat(w.dirfd, temp, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err == nil {
		w.fd, w.temp = fd, temp
		if w.options.Owner != identity.KeepOwner {
			return w.options.Owner.Set(fd)
		}
		if w.keepOwner() {
			return nil
		}
		w.dropTemp()
	} else if !w.exists || err != syscall.EACCES && err != syscall.EPERM && err != syscall.EROFS {
		return err
	}
	w.fd, err = sys.Openat(w.dirfd, w.base, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return w.options.Owner.Set(w.fd)
}

// findTarget opens the folder that the file is or will be in; a symlink leads to its target's.
func (w *write) findTarget() error {
	dirfd, base, err := openParent(w.path)
	if err == syscall.ENOENT {
		dir, _ := splitPath(w.path)
		if err = makeParents(dir, 0o755); err == nil {
			dirfd, base, err = openParent(w.path)
		}
	}
	if err != nil {
		return err
	}
	w.dirfd, w.base = dirfd, base
	for range maxLinks {
		st, err := sys.Statx(w.dirfd, w.base, sys.AT_SYMLINK_NOFOLLOW)
		if err == syscall.ENOENT {
			return nil
		}
		if err != nil {
			return err
		}
		if st.Type() != syscall.S_IFLNK {
			w.target, w.exists = st, true
			return regularOnly(st, w.path)
		}
		if err := w.followLink(); err != nil {
			return err
		}
	}
	return syscall.ELOOP
}

func (w *write) followLink() error {
	target, err := sys.Readlinkat(w.dirfd, w.base)
	if err != nil {
		return err
	}
	if err := requireNoMagic(w.dirfd, w.base); err != nil {
		return err
	}
	from := sys.AT_FDCWD
	if !strings.HasPrefix(target, "/") {
		from = w.dirfd
		target = "./" + target
	}
	dir, base := splitPath(target)
	if base == "" || base == "." || base == ".." {
		return fault.New(fault.IsADirectory, "%q leads to a directory", clip(w.path))
	}
	dirfd, err := openAt(from, dir, sys.O_PATH|syscall.O_DIRECTORY)
	if err != nil {
		return err
	}
	_ = syscall.Close(w.dirfd)
	w.dirfd, w.base = dirfd, base
	return nil
}

// requireNoMagic refuses a link that /proc made: its text is not where it leads.
func requireNoMagic(dirfd int, base string) error {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(dirfd, &fs); err == nil && int64(fs.Type) == sys.ProcSuperMagic {
		return fault.New(fault.Refused, "%q is a link of /proc", clip(base))
	}
	return nil
}

// mayOverwrite: replacing a file by rename asks for the folder only, so the file's own permission is asked here.
func (w *write) mayOverwrite() error {
	fd, err := sys.Openat(w.dirfd, w.base, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_NOFOLLOW, 0)
	if err == syscall.ETXTBSY { // a running program: it can be replaced, not overwritten
		return nil
	}
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if err := refuseOwn(fd); err != nil {
		return err
	}
	return requireRegular(fd, w.path)
}

// keepOwner gives the new file the old one's owner; false when the user may not.
func (w *write) keepOwner() bool {
	if !w.exists {
		return true
	}
	st, err := sys.Fstat(w.fd)
	if err != nil {
		return false
	}
	if st.UID == w.target.UID && st.GID == w.target.GID {
		return true
	}
	return syscall.Fchown(w.fd, int(w.target.UID), int(w.target.GID)) == nil
}

// copy reads without and writes with the user's identity: quotas and reserved blocks are the user's.
func (w *write) copy(body io.Reader) error {
	buf := make([]byte, copyBuffer)
	for {
		n, readErr := fill(body, buf)
		if n > 0 {
			if err := w.user.Do(func() error { return writeAll(w.fd, buf[:n]) }); err != nil {
				return err
			}
			w.written += int64(n)
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return fault.New(fault.InvalidRequest, "%q: the body ended early, nothing was changed: %v", clip(w.path), readErr)
		}
	}
}

// fill reads until buf is full: fewer, larger writes.
func fill(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
		// Either the body's end, or a body shorter than it said; the next read tells which.
		return n, nil
	}
	return n, err
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := syscall.Write(fd, b)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (w *write) commit() (Entry, error) {
	mode := w.options.Mode
	if mode < 0 {
		mode = defaultMode
		if w.exists {
			mode = int(w.target.Perm())
		}
	}
	if w.temp == "" {
		if err := syscall.Ftruncate(w.fd, w.written); err != nil {
			return Entry{}, err
		}
		return w.entry()
	}
	if err := syscall.Fchmod(w.fd, uint32(mode)); err != nil {
		return Entry{}, err
	}
	unlock := lockName(w.dirfd, w.base)
	defer unlock()
	if err := w.options.Condition.check(w.dirfd, w.base, w.path); err != nil {
		return Entry{}, err
	}
	switch err := w.rename(uint32(mode)); {
	case err == nil:
	case err == syscall.EBUSY && w.exists: // a mounted file, as Docker's /etc/hosts
		if err := w.copyOver(); err != nil {
			return Entry{}, err
		}
	default:
		return Entry{}, err
	}
	return w.entry()
}

// rename puts the finished file into its place. With if_none_match=* that is the check as well.
func (w *write) rename(mode uint32) error {
	if w.options.Condition.IfNoneMatch == "*" {
		made, err := moveNew(w.dirfd, w.temp, w.base)
		if err == syscall.EEXIST {
			return w.options.Condition.failed(w.path, "it exists")
		}
		if made {
			w.temp = ""
		}
		return err
	}
	if w.options.Condition != (Condition{}) {
		if err := w.becomeNewer(mode); err != nil {
			return err
		}
	}
	err := sys.Renameat2(w.dirfd, w.temp, w.dirfd, w.base, 0)
	if err == nil {
		w.temp = ""
	}
	return err
}

// copyOver writes the finished temporary file into the target, which can't be replaced.
func (w *write) copyOver() error {
	from, err := sys.Openat(w.dirfd, w.temp, syscall.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(from)
	to, err := sys.Openat(w.dirfd, w.base, syscall.O_WRONLY|syscall.O_TRUNC|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_ = syscall.Close(w.fd)
	w.fd = to
	buf := make([]byte, 64<<10)
	for {
		n, err := syscall.Read(from, buf)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		if err := writeAll(to, buf[:n]); err != nil {
			return err
		}
	}
}

func (w *write) entry() (Entry, error) {
	st, err := sys.Fstat(w.fd)
	if err != nil {
		return Entry{}, err
	}
	clean := path.Clean(w.path)
	return newEntry(path.Base(clean), clean, st, ""), nil
}

func (w *write) dropTemp() {
	_ = syscall.Close(w.fd)
	_ = sys.Unlinkat(w.dirfd, w.temp, 0)
	w.fd, w.temp = -1, ""
}

// close removes the temporary file unless it was renamed.
func (w *write) close() {
	if w.temp != "" {
		_ = w.user.Do(func() error { return sys.Unlinkat(w.dirfd, w.temp, 0) })
	}
	for _, fd := range []int{w.fd, w.dirfd} {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
	}
}
