package watch

import (
	"path"
	"syscall"

	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/sys"
)

// errEnd ends the stream for its reason.
type errEnd string

func (e errEnd) Error() string { return string(e) }

// handle turns one event of the kernel into what the reader is told, and keeps the tree of folders true.
func (w *Watch) handle(e raw) error {
	if e.mask&syscall.IN_Q_OVERFLOW != 0 {
		return w.rebuild()
	}
	f := w.byWatch[e.wd]
	if f == nil {
		return nil
	}
	if e.name == "" {
		return w.handleSelf(f, e)
	}
	if f.names != nil && e.end > f.horizon {
		f.names = nil
	}
	isFolder := e.mask&syscall.IN_ISDIR != 0
	if files.IsTemp(e.name) {
		return w.handleTemp(e, isFolder)
	}
	switch {
	case e.mask&(syscall.IN_CREATE|syscall.IN_MOVED_TO) != 0:
		w.settle(f, e.name)
		return w.appeared(f, e.name, isFolder, e.mask&syscall.IN_MOVED_TO != 0)
	case e.mask&syscall.IN_DELETE != 0:
		w.disappeared(f, e.name, isFolder)
	case e.mask&syscall.IN_MOVED_FROM != 0:
		return w.moved(f, e, isFolder)
	case e.mask&syscall.IN_CLOSE_WRITE != 0:
		w.wrote(f, e.name, true)
	case e.mask&syscall.IN_MODIFY != 0:
		w.wrote(f, e.name, false)
	case e.mask&syscall.IN_ATTRIB != 0:
		w.tell("attributes", w.full(f, e.name), w.kind(f, e.name, isFolder))
		if isFolder && w.recursive { // it may be open or shut to the user now
			_, err := w.grow(f, e.name, growth{report: true})
			return err
		}
	}
	return nil
}

// handleTemp tells of the agent's own unfinished files only that they are finished.
func (w *Watch) handleTemp(e raw, isFolder bool) error {
	if e.mask&syscall.IN_MOVED_FROM == 0 {
		return nil
	}
	to, ok := w.stream.partner(e)
	target := w.byWatch[to.wd]
	if !ok || target == nil {
		return nil
	}
	w.settle(target, to.name)
	return w.appeared(target, to.name, isFolder, true)
}

// handleSelf: of a folder below the watched one its parent's watch tells.
func (w *Watch) handleSelf(f *folder, e raw) error {
	switch {
	case f != w.top:
		if e.mask&syscall.IN_IGNORED != 0 {
			w.forget(f)
		}
	case e.mask&syscall.IN_MOVE_SELF != 0:
		return errEnd(endMoved)
	case e.mask&(syscall.IN_DELETE_SELF|syscall.IN_UNMOUNT|syscall.IN_IGNORED) != 0:
		return errEnd(endRemoved)
	case e.mask&syscall.IN_ATTRIB != 0:
		w.tell("attributes", w.path, directory)
		return w.checkRoot()
	}
	return nil
}

// appeared: movedIn from where no watch was, at least not at that time.
func (w *Watch) appeared(f *folder, name string, isFolder, movedIn bool) error {
	if f.names != nil {
		listed := f.names[name]
		f.names[name] = false
		if listed {
			return nil
		}
	}
	w.tell("create", w.full(f, name), w.kind(f, name, isFolder))
	if !isFolder || !w.recursive {
		return nil
	}
	_, err := w.grow(f, name, growth{report: true, take: movedIn})
	return err
}

func (w *Watch) disappeared(f *folder, name string, isFolder bool) {
	w.settle(f, name)
	w.forget(f.children[name])
	if f.names != nil {
		_, known := f.names[name]
		delete(f.names, name)
		if !known { // it was never told of
			return
		}
	}
	w.tell("remove", w.full(f, name), kindOfGone(isFolder))
}

func (w *Watch) moved(f *folder, from raw, isFolder bool) error {
	to, ok := w.stream.partner(from)
	target := w.byWatch[to.wd]
	if !ok || target == nil {
		w.disappeared(f, from.name, isFolder)
		return nil
	}
	w.settle(f, from.name)
	w.settle(target, to.name)
	if target.names != nil && to.end > target.horizon {
		target.names = nil
	}
	known, listed := f.names == nil, target.names[to.name]
	if !known {
		_, known = f.names[from.name]
		delete(f.names, from.name)
	}
	if target.names != nil {
		target.names[to.name] = false
	}
	fromPath := w.full(f, from.name)
	switch {
	case known && listed: // told of as new already
		w.forget(f.children[from.name])
		w.tell("remove", fromPath, kindOfGone(isFolder))
	case known:
		w.tellRename(fromPath, w.full(target, to.name), w.kind(target, to.name, isFolder))
	case !listed:
		w.tell("create", w.full(target, to.name), w.kind(target, to.name, isFolder))
	}
	if !isFolder || !w.recursive {
		return nil
	}
	if child := f.children[from.name]; child != nil {
		w.transplant(child, target, to.name)
	}
	return w.verify(target, to.name)
}

// transplant gives a watched folder its new place.
func (w *Watch) transplant(child, parent *folder, name string) {
	delete(child.parent.children, child.name)
	if old := parent.children[name]; old != child {
		w.forget(old)
	}
	child.parent, child.name = parent, name
	parent.children[name] = child
}

// verify makes sure that the watched folder is the one that has the name: both may have been moved again meanwhile.
func (w *Watch) verify(parent *folder, name string) error {
	here, err := w.grow(parent, name, growth{report: true})
	if err == nil && !here {
		w.forget(parent.children[name]) // what has the name now is known at another place, and will be moved here
	}
	return err
}

// kind looks what name is now.
func (w *Watch) kind(f *folder, name string, isFolder bool) (kind string) {
	if isFolder {
		return directory
	}
	_ = w.user.Do(func() error {
		fd, err := w.openRel(path.Join(f.rel(), name), sys.O_PATH)
		if err != nil {
			return nil // gone
		}
		defer syscall.Close(fd)
		st, err := sys.Fstat(fd)
		kind = files.TypeName(st.Type())
		return err
	})
	return kind
}

// kindOfGone: the kernel tells folders from the rest only.
func kindOfGone(isFolder bool) string {
	if isFolder {
		return directory
	}
	return ""
}

// checkRoot finds out whether the path still leads to the watched folder and the user may still read it.
func (w *Watch) checkRoot() error {
	return w.user.Do(func() error {
		fd, err := w.openRel(".", sys.O_PATH|syscall.O_DIRECTORY)
		if err != nil {
			return err
		}
		return syscall.Close(fd)
	})
}
