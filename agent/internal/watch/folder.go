package watch

import (
	"io"
	"os"
	"path"
	"strconv"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/sys"
)

const (
	// maxFolders bounds one watch: each costs the kernel about 1 KB.
	maxFolders = 8192
	interest   = syscall.IN_CREATE | syscall.IN_DELETE | syscall.IN_MOVED_FROM | syscall.IN_MOVED_TO | syscall.IN_MODIFY |
		syscall.IN_CLOSE_WRITE | syscall.IN_ATTRIB | syscall.IN_DELETE_SELF | syscall.IN_MOVE_SELF | syscall.IN_ONLYDIR
)

// folder is a watched folder. No descriptor of it is kept: an open folder does not tell that it was removed.
type folder struct {
	parent   *folder
	name     string
	wd       int32
	children map[string]*folder
	gone     bool
	// A folder is watched first and listed then, so both may tell of one thing. Until the event stream has come to
	// horizon, names holds what is known in it; true: told by the list, the event may follow.
	names   map[string]bool
	horizon int64
}

func (f *folder) rel() string {
	if f.parent == nil {
		return ""
	}
	return path.Join(f.parent.rel(), f.name)
}

// holds says whether f is below the folder, or is it: a mount can show a folder within itself.
func (f *folder) holds(below *folder) bool {
	for ; below != nil; below = below.parent {
		if below == f {
			return true
		}
	}
	return false
}

// found is what a list of a folder has in it.
type found struct {
	name string
	kind uint32
}

var (
	errTooMany = fault.New(fault.TooLarge, "more than %d folders to watch", maxFolders)
	errGone    = fault.New(fault.NotFound, "the watched folder is not there any more")
)

// openRel opens what is below the watched folder, as the calling thread.
func (w *Watch) openRel(rel string, flags int) (int, error) {
	root, err := files.OpenFolder(w.path)
	if err != nil {
		return -1, err
	}
	defer syscall.Close(root)
	st, err := sys.Fstat(root)
	if err != nil {
		return -1, err
	}
	if w.top != nil && (st.Ino != w.rootIno || st.Dev != w.rootDev) {
		return -1, errGone
	}
	w.rootIno, w.rootDev = st.Ino, st.Dev
	return files.OpenBelow(root, rel, flags)
}

// watchFolder sets the watch of one folder, then lists it. The user must be able to read and to search it.
func (w *Watch) watchFolder(rel string, list bool) (wd int32, entries []found, err error) {
	err = w.user.Do(func() error {
		// "." at the end asks for the right to search.
		fd, err := w.openRel(path.Join(".", rel)+"/.", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "folder")
		defer f.Close()
		if st, err := sys.Fstat(fd); err != nil || rel != "" && st.MountRoot && files.IsPseudo(fd) {
			return syscall.EACCES
		}
		n, err := syscall.InotifyAddWatch(w.stream.fd, "/proc/self/fd/"+strconv.Itoa(fd), interest)
		if err != nil {
			return err
		}
		wd = int32(n)
		if !list || w.byWatch[wd] != nil {
			return nil
		}
		if entries, err = w.list(f, fd); err != nil {
			_, _ = syscall.InotifyRmWatch(w.stream.fd, uint32(wd))
		}
		return err
	})
	return wd, entries, err
}

// list returns all folders of a folder, and at most maxWaiting other entries: no more of them could be told.
func (w *Watch) list(f *os.File, fd int) (entries []found, err error) {
	for {
		names, err := f.Readdirnames(1024)
		for _, name := range names {
			st, err := sys.Statx(fd, name, sys.AT_SYMLINK_NOFOLLOW)
			if err != nil || files.IsTemp(name) {
				continue // gone since, or an upload under way
			}
			if st.Type() == syscall.S_IFDIR || len(entries) < maxWaiting {
				entries = append(entries, found{name, st.Type()})
			}
		}
		if err == io.EOF {
			return entries, nil
		}
		if err == nil {
			err = w.ctx.Err()
		}
		if len(entries) > maxWaiting+maxFolders { // of folders alone
			err = errTooMany
		}
		if err != nil {
			return nil, err
		}
	}
}

// growth says how to take a folder into the watch.
type growth struct {
	report   bool   // what is in it is new to the reader
	announce func() // tells of the folder itself, before what is in it; may be nil
	// take a folder that is watched at another place. Otherwise it is left there: the event of its move is still to come.
	take bool
}

// grow watches the folder name in parent and all below it. It returns false for a folder that it left at another place.
func (w *Watch) grow(parent *folder, name string, how growth) (here bool, err error) {
	rel := name
	if parent != nil {
		rel = path.Join(parent.rel(), name)
	}
	wd, entries, err := w.watchFolder(rel, w.recursive)
	if known := w.byWatch[wd]; err == nil && known != nil {
		if known.parent == parent && known.name == name {
			return true, nil
		}
		if !how.take || known.holds(parent) {
			return false, nil
		}
		w.forget(known)
		wd, entries, err = w.watchFolder(rel, w.recursive)
	}
	if how.announce != nil {
		how.announce()
	}
	if err != nil {
		return true, w.lookAway(parent, name, err)
	}
	f := &folder{parent: parent, name: name, wd: wd, children: map[string]*folder{}}
	if len(w.byWatch) >= maxFolders {
		_, _ = syscall.InotifyRmWatch(w.stream.fd, uint32(wd))
		return true, errTooMany
	}
	w.byWatch[wd] = f
	if parent == nil {
		w.top = f
	} else {
		w.forget(parent.children[name])
		parent.children[name] = f
	}
	if how.report {
		f.names, f.horizon = map[string]bool{}, w.stream.told()
	}
	if how.report && len(entries) >= maxWaiting { // the list was cut
		w.queue.lose()
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return true, err
		}
		if err := w.listed(f, e, how.report); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (w *Watch) listed(f *folder, e found, report bool) error {
	if e.kind == syscall.S_IFDIR {
		how := growth{report: report, take: true}
		if report {
			how.announce = func() {
				f.names[e.name] = true
				w.tell("create", w.full(f, e.name), directory)
			}
		}
		_, err := w.grow(f, e.name, how)
		return err
	}
	if report {
		f.names[e.name] = true
		w.tell("create", w.full(f, e.name), files.TypeName(e.kind))
	}
	return nil
}

// lookAway handles a folder that can't be watched: it is gone, or not for the user's eyes.
func (w *Watch) lookAway(parent *folder, name string, err error) error {
	if parent == nil || err == syscall.ENOSPC || err == syscall.ENOMEM || err == errGone || err == errTooMany || w.ctx.Err() != nil {
		return err
	}
	if err != syscall.ENOENT && err != syscall.ENOTDIR && err != syscall.ELOOP { // else an event tells where it went
		w.skipped++
		w.forget(parent.children[name])
	}
	return nil
}

// forget takes a folder and all below it out of the watch.
func (w *Watch) forget(f *folder) {
	if f == nil || f.gone {
		return
	}
	f.gone = true
	for _, child := range f.children {
		w.forget(child)
	}
	if w.byWatch[f.wd] == f {
		delete(w.byWatch, f.wd)
		_, _ = syscall.InotifyRmWatch(w.stream.fd, uint32(f.wd)) // fails when the folder is gone
	}
	if f.parent != nil && f.parent.children[f.name] == f {
		delete(f.parent.children, f.name)
	}
}

func (w *Watch) full(f *folder, name string) string { return path.Join(w.path, f.rel(), name) }
