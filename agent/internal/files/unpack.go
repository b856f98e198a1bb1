package files

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Limits of the safe rules.
const (
	maxEntries      = 100_000
	DefaultMaxBytes = 10 << 30
)

// Unpacked says what Unpack made.
type Unpacked struct {
	Entries int   `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

// Unpack makes the entries of a tar below path, which is made when missing, as user and owned by the user. It stops at
// the first entry that the rules refuse (README.md, "Archives"); what was made before stays.
func Unpack(user *identity.User, path string, body io.Reader, maxBytes int64) (Unpacked, error) {
	if err := checkPath(path); err != nil {
		return Unpacked{}, err
	}
	u := &unpacker{user: user, root: -1, left: maxBytes, buf: make([]byte, copyBuffer)}
	err := user.Do(func() (err error) {
		if err := refuseProtected(path); err != nil {
			return err
		}
		if err := makeParents(path, 0o755); err != nil {
			return err
		}
		u.root, err = open(path, sys.O_PATH|syscall.O_DIRECTORY)
		return err
	})
	if err != nil {
		return Unpacked{}, fault.Of(err, clip(path))
	}
	defer syscall.Close(u.root)
	err = u.run(tar.NewReader(body))
	return u.done, err
}

type madeFolder struct {
	parts      []string
	mode       uint32
	sec, nanos int64
}

type unpacker struct {
	user    *identity.User
	root    int
	left    int64
	buf     []byte
	done    Unpacked
	folders []madeFolder
}

func (u *unpacker) run(t *tar.Reader) error {
	for {
		h, err := t.Next()
		if err == io.EOF {
			return u.finishFolders()
		}
		if err != nil && !(errors.Is(err, tar.ErrInsecurePath) && h != nil) {
			return fault.New(fault.InvalidRequest, "after %d entries the body is no tar, or ended early: %v", u.done.Entries, err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if u.done.Entries++; u.done.Entries > maxEntries {
			return fault.New(fault.TooLarge, "more than %d entries", maxEntries)
		}
		if err := u.entry(t, h); err != nil {
			return fault.Of(err, "entry \""+clip(h.Name)+"\"")
		}
	}
}

func (u *unpacker) entry(t *tar.Reader, h *tar.Header) error {
	parts, err := entryName(h.Name)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		if h.Typeflag == tar.TypeDir {
			return nil
		}
		return fault.New(fault.ArchiveUnsafe, "entry %q: the root itself must be a folder", clip(h.Name))
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.user.Do(func() error { return u.folder(parts, h) })
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(t, h, parts)
	case tar.TypeSymlink:
		if err := linkTarget(h.Name, h.Linkname, len(parts)-1); err != nil {
			return err
		}
		return u.user.Do(func() error { return u.symlink(parts, h) })
	case tar.TypeLink:
		return u.user.Do(func() error { return u.hardlink(parts, h) })
	}
	return fault.New(fault.ArchiveUnsafe, "entry %q: neither a file, a folder nor a link (type %q)", clip(h.Name), h.Typeflag)
}

// mode strips setuid, setgid and sticky.
func mode(h *tar.Header) uint32 { return uint32(h.Mode) & 0o777 }

// openBelow opens a folder of the tree without following any symlink; make: missing ones are made.
func (u *unpacker) openBelow(parts []string, make bool) (int, error) {
	fd, err := sys.Openat2(u.root, "./"+strings.Join(parts, "/"), sys.O_PATH|syscall.O_DIRECTORY, 0,
		sys.RESOLVE_BENEATH|sys.RESOLVE_NO_MAGICLINKS|sys.RESOLVE_NO_SYMLINKS)
	if err == nil {
		return fd, nil
	}
	at, err := sys.Openat(u.root, ".", sys.O_PATH|syscall.O_DIRECTORY, 0)
	if err != nil {
		return -1, err
	}
	for _, name := range parts {
		next, err := u.step(at, name, make)
		_ = syscall.Close(at)
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}

func (u *unpacker) step(at int, name string, make bool) (int, error) {
	const flags = sys.O_PATH | syscall.O_DIRECTORY | syscall.O_NOFOLLOW
	next, err := sys.Openat(at, name, flags, 0)
	if err == syscall.ENOENT && make {
		if err = sys.Mkdirat(at, name, 0o755); err == nil || err == syscall.EEXIST {
			next, err = sys.Openat(at, name, flags, 0)
		}
	}
	if err == syscall.ENOTDIR || err == syscall.ELOOP {
		if st, statErr := sys.Statx(at, name, sys.AT_SYMLINK_NOFOLLOW); statErr == nil && st.Type() == syscall.S_IFLNK {
			return -1, fault.New(fault.ArchiveUnsafe, "an entry goes through the symbolic link %q", clip(name))
		}
	}
	return next, err
}

func (u *unpacker) parent(parts []string) (dirfd int, base string, err error) {
	dirfd, err = u.openBelow(parts[:len(parts)-1], true)
	return dirfd, parts[len(parts)-1], err
}

func (u *unpacker) folder(parts []string, h *tar.Header) error {
	dirfd, base, err := u.parent(parts)
	if err != nil {
		return err
	}
	defer syscall.Close(dirfd)
	if err := sys.Mkdirat(dirfd, base, 0o700); err == nil {
		u.folders = append(u.folders, madeFolder{parts, mode(h), h.ModTime.Unix(), int64(h.ModTime.Nanosecond())})
		return nil
	} else if err != syscall.EEXIST {
		return err
	}
	next, err := u.step(dirfd, base, false)
	if err != nil {
		return err
	}
	return syscall.Close(next)
}

// finishFolders sets modes and times last: an unwritable folder must take its files first.
func (u *unpacker) finishFolders() error {
	for i := len(u.folders) - 1; i >= 0; i-- {
		f := u.folders[i]
		err := u.user.Do(func() error {
			dirfd, base, err := u.parent(f.parts)
			if err != nil {
				return err
			}
			defer syscall.Close(dirfd)
			fd, err := openFolder(dirfd, base)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			_ = sys.Utimensat(dirfd, base, f.sec, f.nanos)
			return syscall.Fchmod(fd, f.mode)
		})
		if err != nil {
			return fault.Of(err, "folder \""+clip(strings.Join(f.parts, "/"))+"\"")
		}
	}
	return nil
}

// clearWay removes what is in the place of a new entry: a file or link, never a folder.
func clearWay(dirfd int, base string) error {
	err := sys.Unlinkat(dirfd, base, 0)
	if err == syscall.ENOENT {
		return nil
	}
	if err == syscall.EPERM || err == syscall.EISDIR {
		return syscall.EISDIR
	}
	return err
}

func (u *unpacker) file(t *tar.Reader, h *tar.Header, parts []string) (err error) {
	if h.Size > u.left {
		return fault.New(fault.TooLarge, "entry %q: the archive has more bytes than allowed", clip(h.Name))
	}
	var dirfd, fd int
	var base string
	err = u.user.Do(func() (err error) {
		if dirfd, base, err = u.parent(parts); err != nil {
			return err
		}
		const flags = syscall.O_WRONLY | syscall.O_CREAT | syscall.O_EXCL | syscall.O_NOFOLLOW
		fd, err = sys.Openat(dirfd, base, flags, 0o600)
		if err == syscall.EEXIST {
			if err = clearWay(dirfd, base); err == nil {
				fd, err = sys.Openat(dirfd, base, flags, 0o600)
			}
		}
		if err != nil {
			_ = syscall.Close(dirfd)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		_ = syscall.Close(fd)
		if err != nil {
			_ = u.user.Do(func() error { return sys.Unlinkat(dirfd, base, 0) })
		}
		_ = syscall.Close(dirfd)
	}()
	for {
		n, readErr := io.ReadFull(t, u.buf)
		if n > 0 {
			if err := u.user.Do(func() error { return writeAll(fd, u.buf[:n]) }); err != nil {
				return err
			}
			u.done.Bytes += int64(n)
			u.left -= int64(n)
		}
		if readErr == io.EOF || readErr == io.ErrUnexpectedEOF && n < len(u.buf) && complete(t) {
			break
		}
		if readErr != nil {
			return fault.New(fault.InvalidRequest, "the body ended within the entry")
		}
	}
	return u.user.Do(func() error {
		if err := syscall.Fchmod(fd, mode(h)); err != nil {
			return err
		}
		return sys.Utimensat(dirfd, base, h.ModTime.Unix(), int64(h.ModTime.Nanosecond()))
	})
}

// complete tells the entry's end from the body's: io.ReadFull says ErrUnexpectedEOF for both.
func complete(t *tar.Reader) bool {
	_, err := t.Read(make([]byte, 1))
	return err == io.EOF
}

func (u *unpacker) symlink(parts []string, h *tar.Header) error {
	dirfd, base, err := u.parent(parts)
	if err != nil {
		return err
	}
	defer syscall.Close(dirfd)
	err = sys.Symlinkat(h.Linkname, dirfd, base)
	if err == syscall.EEXIST {
		if err = clearWay(dirfd, base); err == nil {
			err = sys.Symlinkat(h.Linkname, dirfd, base)
		}
	}
	return err
}

func (u *unpacker) hardlink(parts []string, h *tar.Header) error {
	from, err := entryName(h.Linkname)
	if err != nil {
		return err
	}
	if len(from) == 0 {
		return fault.New(fault.ArchiveUnsafe, "entry %q: a hard link to a folder", clip(h.Name))
	}
	fromDir, err := u.openBelow(from[:len(from)-1], false)
	if err != nil {
		return err
	}
	defer syscall.Close(fromDir)
	st, err := sys.Statx(fromDir, from[len(from)-1], sys.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	if st.Type() != syscall.S_IFREG {
		return fault.New(fault.ArchiveUnsafe, "entry %q: a hard link to what is no regular file", clip(h.Name))
	}
	dirfd, base, err := u.parent(parts)
	if err != nil {
		return err
	}
	defer syscall.Close(dirfd)
	err = sys.Linkat(fromDir, from[len(from)-1], dirfd, base)
	if err == syscall.EEXIST {
		if err = clearWay(dirfd, base); err == nil {
			err = sys.Linkat(fromDir, from[len(from)-1], dirfd, base)
		}
	}
	return err
}
