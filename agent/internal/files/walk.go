package files

import (
	"context"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// sysfsMagic marks /sys, which like /proc is no place to search.
const sysfsMagic = 0x62656572

// Walk is one search through a tree with a user's rights. It follows no symlink but path itself, stays out of /proc and
// /sys unless it begins there, and goes on where the user may not look.
type Walk struct {
	Context context.Context
	User    *identity.User
	// Enter says whether to look into the folder rel.
	Enter func(rel string) bool
	// Visit is called in the order of the paths' bytes. It ends the walk by ErrEnough or any other error.
	Visit func(f Found) error

	Skipped   int  // folders that could not be read
	Truncated bool // Visit had enough, or maxWalked entries were looked at
	left      int
}

// ErrEnough ends a walk without failing it.
var ErrEnough = fault.New(fault.Internal, "enough")

// Found is what a walk came across; it is valid during Visit.
type Found struct {
	Rel  string // path below the root, "" for a root that is no folder
	Full string
	Type uint32 // S_IFMT bits
	// dirfd holds it as name; of a root, name is the path as it was asked for.
	dirfd int
	name  string
}

// Entry reads what the API tells of it, as the calling thread.
func (f Found) Entry() (Entry, error) {
	st, err := sys.Statx(f.dirfd, f.name, sys.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return Entry{}, err
	}
	target := ""
	if st.Type() == syscall.S_IFLNK {
		target, _ = sys.Readlinkat(f.dirfd, f.name)
	}
	return newEntry(f.name, f.Full, st, target), nil
}

// Open opens it for reading if it is a regular file, as the calling thread.
func (f Found) Open() (*os.File, int64, error) {
	fd, err := f.open()
	if err != nil {
		return nil, 0, err
	}
	file := os.NewFile(uintptr(fd), f.name)
	st, err := sys.Fstat(fd)
	if err == nil {
		err = regularOnly(st, f.name)
	}
	if err == nil {
		err = refuseOwn(fd)
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, st.Size, nil
}

func (f Found) open() (int, error) {
	if f.Rel == "" {
		return openRegular(f.name, syscall.O_RDONLY)
	}
	return sys.Openat(f.dirfd, f.name, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
}

// Run walks through path; fileToo: which may be a regular file, the only thing visited then.
func (w *Walk) Run(p string, fileToo bool) error {
	if err := checkPath(p); err != nil {
		return err
	}
	w.left = maxWalked
	err := w.run(path.Clean(p), p, fileToo)
	if err == ErrEnough {
		w.Truncated = true
		return nil
	}
	if err != nil {
		return fault.Of(err, clip(p))
	}
	return nil
}

func (w *Walk) run(clean, p string, fileToo bool) error {
	fd := -1
	err := w.User.Do(func() (err error) {
		fd, err = open(p, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK)
		return err
	})
	if err == nil {
		defer syscall.Close(fd)
		return w.folder(fd, clean, "", 0)
	}
	if err != syscall.ENOTDIR || !fileToo {
		return err
	}
	err = w.User.Do(func() error {
		probe, err := openRegular(p, syscall.O_RDONLY)
		if err != nil {
			return err
		}
		return syscall.Close(probe)
	})
	if err != nil {
		return err
	}
	return w.Visit(Found{"", clean, syscall.S_IFREG, sys.AT_FDCWD, p})
}

// step is something to do in a folder; sorted by key all visits come in the order of their paths' bytes: what is in
// "a" comes after "a-b", because "/" does.
type step struct {
	key  string // name, or name and "/" for what is in it
	kind uint32
}

func (w *Walk) folder(fd int, full, rel string, depth int) error {
	if depth > maxDepth {
		w.Skipped++
		return nil
	}
	steps, err := w.steps(fd)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if err := w.Context.Err(); err != nil {
			return err
		}
		name, inside := strings.CutSuffix(s.key, "/")
		below := path.Join(rel, name)
		if inside {
			if w.Enter(below) {
				err = w.enter(fd, name, path.Join(full, name), below, depth)
			}
		} else {
			err = w.Visit(Found{below, path.Join(full, name), s.kind, fd, name})
		}
		if err != nil {
			return err
		}
	}
	if w.left == 0 {
		return ErrEnough
	}
	return nil
}

func (w *Walk) steps(fd int) (steps []step, err error) {
	err = w.User.Do(func() error {
		own, err := openFolder(fd, ".")
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(own), "folder")
		defer f.Close()
		for w.left > 0 && w.Context.Err() == nil {
			names, err := f.Readdirnames(min(1024, w.left))
			w.left -= len(names)
			for _, name := range names {
				st, err := sys.Statx(fd, name, sys.AT_SYMLINK_NOFOLLOW)
				if err != nil {
					continue // gone since, or in a folder that may be read but not searched
				}
				steps = append(steps, step{name, st.Type()})
				if st.Type() == syscall.S_IFDIR {
					steps = append(steps, step{name + "/", st.Type()})
				}
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil { // not readable
		w.Skipped++
		return nil, nil
	}
	slices.SortFunc(steps, func(a, b step) int { return strings.Compare(a.key, b.key) })
	return steps, nil
}

func (w *Walk) enter(dirfd int, name, full, rel string, depth int) error {
	fd := -1
	err := w.User.Do(func() (err error) {
		fd, err = openFolder(dirfd, name)
		return err
	})
	if err != nil {
		w.Skipped++
		return nil
	}
	defer syscall.Close(fd)
	if st, err := sys.Fstat(fd); err != nil || st.MountRoot && IsPseudo(fd) {
		return nil
	}
	if refuseOwn(fd) != nil {
		return nil
	}
	return w.folder(fd, full, rel, depth+1)
}

func IsPseudo(fd int) bool {
	var fs syscall.Statfs_t
	err := syscall.Fstatfs(fd, &fs)
	return err == nil && (int64(fs.Type) == sys.ProcSuperMagic || int64(fs.Type) == sysfsMagic)
}
