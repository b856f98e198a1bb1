package files

import (
	"archive/tar"
	"io"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// maxDepth is that of the safe rules, in and out.
const maxDepth = 255

// Archive is a file or tree, opened and ready to be written as tar.
type Archive struct {
	user *identity.User
	fd   int
	base string
	st   sys.Stat
}

// OpenArchive opens what path leads to, as user.
func OpenArchive(user *identity.User, p string) (*Archive, error) {
	if err := checkPath(p); err != nil {
		return nil, err
	}
	a := &Archive{user: user, base: path.Base(path.Clean(p))}
	err := user.Do(func() (err error) {
		probe, err := open(p, sys.O_PATH)
		if err != nil {
			return err
		}
		a.st, err = sys.Fstat(probe)
		_ = syscall.Close(probe)
		if err != nil {
			return err
		}
		if a.st.Type() == syscall.S_IFDIR {
			a.fd, err = open(p, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK)
		} else {
			a.fd, err = openRegular(p, syscall.O_RDONLY)
		}
		return err
	})
	if err != nil {
		return nil, fault.Of(err, clip(p))
	}
	return a, nil
}

// Close closes what OpenArchive opened.
func (a *Archive) Close() { _ = syscall.Close(a.fd) }

// Pack writes the tar (pax). Names are relative: a tree starts with "./", a file has its name only. Sockets, FIFOs,
// devices and what the user may not read are left out; a file that shrinks meanwhile is padded with zeros.
func (a *Archive) Pack(out io.Writer) error {
	p := &packer{user: a.user, tar: tar.NewWriter(out), buf: make([]byte, copyBuffer)}
	var err error
	if a.st.Type() == syscall.S_IFDIR {
		if err = p.header("./", a.st, ""); err == nil {
			err = p.folder(a.fd, "", 1)
		}
	} else {
		var own int
		if own, err = syscall.Dup(a.fd); err == nil {
			syscall.CloseOnExec(own)
			err = p.file(own, a.base, a.st)
		}
	}
	if err != nil {
		return err
	}
	return p.tar.Close()
}

type packer struct {
	user *identity.User
	tar  *tar.Writer
	buf  []byte
}

func (p *packer) header(name string, st sys.Stat, target string) error {
	h := &tar.Header{
		Name: name, Mode: int64(st.Perm()), Uid: int(st.UID), Gid: int(st.GID), Format: tar.FormatPAX,
		ModTime: time.Unix(st.MtimeSec, 0),
	}
	switch st.Type() {
	case syscall.S_IFDIR:
		h.Typeflag = tar.TypeDir
	case syscall.S_IFLNK:
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	default:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	}
	return p.tar.WriteHeader(h)
}

// folder packs what is in fd; prefix is "" or ends in a slash.
func (p *packer) folder(fd int, prefix string, depth int) error {
	if depth > maxDepth {
		return fault.New(fault.TooLarge, "%q is deeper than %d folders", clip(prefix), maxDepth)
	}
	var names []string
	err := p.user.Do(func() error {
		own, err := openFolder(fd, ".")
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(own), "folder")
		defer f.Close()
		names, err = f.Readdirnames(-1)
		return err
	})
	if err != nil {
		return fault.Of(err, clip(prefix))
	}
	slices.Sort(names)
	for _, name := range names {
		if err := p.entry(fd, name, prefix+name, depth); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) entry(dirfd int, name, full string, depth int) error {
	var st sys.Stat
	var target string
	fd := -1
	err := p.user.Do(func() (err error) {
		if st, err = sys.Statx(dirfd, name, sys.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		switch st.Type() {
		case syscall.S_IFLNK:
			target, err = sys.Readlinkat(dirfd, name)
		case syscall.S_IFDIR:
			fd, err = openFolder(dirfd, name)
		case syscall.S_IFREG:
			fd, err = sys.Openat(dirfd, name, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
			if err == nil {
				st, err = sys.Fstat(fd)
			}
		}
		return err
	})
	if err != nil { // gone since, or not readable for the user
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
		return nil
	}
	switch st.Type() {
	case syscall.S_IFLNK:
		return p.header(full, st, target)
	case syscall.S_IFDIR:
		defer syscall.Close(fd)
		if err := p.header(full+"/", st, ""); err != nil {
			return err
		}
		return p.folder(fd, full+"/", depth+1)
	case syscall.S_IFREG:
		return p.file(fd, full, st)
	}
	if fd >= 0 {
		_ = syscall.Close(fd)
	}
	return nil
}

// file owns fd.
func (p *packer) file(fd int, name string, st sys.Stat) error {
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if refuseOwn(fd) != nil {
		return nil
	}
	if err := p.header(name, st, ""); err != nil {
		return err
	}
	ended := false
	for left := st.Size; left > 0; {
		chunk := p.buf[:min(int64(len(p.buf)), left)]
		n := 0
		if !ended {
			_ = identity.Blocking(func() error {
				n, _ = io.ReadFull(f, chunk)
				return nil
			})
		}
		if n < len(chunk) { // it shrank: the header's size is a promise
			ended = true
			clear(chunk[n:])
		}
		if _, err := p.tar.Write(chunk); err != nil {
			return err
		}
		left -= int64(len(chunk))
	}
	return nil
}
