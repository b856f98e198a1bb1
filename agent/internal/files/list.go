package files

import (
	"io"
	"os"
	"path"
	"slices"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Limits of a listing: its names are held in memory.
const (
	DefaultList = 10_000
	MaxList     = 50_000
)

// List returns the first limit entries of a folder by the bytes of their names; truncated: there are more.
func List(user *identity.User, dir string, limit int) (entries []Entry, truncated bool, err error) {
	if err := checkPath(dir); err != nil {
		return nil, false, err
	}
	err = user.Do(func() error {
		entries, truncated, err = list(path.Clean(dir), dir, limit)
		return err
	})
	if err != nil {
		return nil, false, fault.Of(err, clip(dir))
	}
	return entries, truncated, nil
}

func list(clean, dir string, limit int) ([]Entry, bool, error) {
	fd, err := open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK)
	if err != nil {
		return nil, false, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	names, truncated, err := firstNames(f, limit)
	if err != nil {
		return nil, false, err
	}
	entries := make([]Entry, 0, len(names))
	for _, name := range names {
		st, err := sys.Statx(fd, name, sys.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			continue // gone since, or in a folder that may be read but not searched
		}
		target := ""
		if st.Type() == syscall.S_IFLNK {
			target, _ = sys.Readlinkat(fd, name)
		}
		entries = append(entries, newEntry(name, path.Join(clean, name), st, target))
	}
	return entries, truncated, nil
}

// firstNames keeps the lowest names only: a folder may hold more than fits in memory.
func firstNames(f *os.File, limit int) (names []string, truncated bool, err error) {
	for {
		chunk, err := f.Readdirnames(1024)
		names = append(names, chunk...)
		if len(names) > 2*limit+1024 || err != nil {
			slices.Sort(names)
			if len(names) > limit {
				names, truncated = names[:limit], true
			}
		}
		if err == io.EOF {
			return names, truncated, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}
