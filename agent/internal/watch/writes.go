package watch

import (
	"path"
	"time"
)

// writePause is the least time between two write events of one file.
const writePause = 50 * time.Millisecond

type fileKey struct {
	folder *folder
	name   string
}

// recent is a file that was written lately; dirty: since the last event about it.
type recent struct {
	told  time.Time
	dirty bool
}

type due struct {
	file fileKey
	at   time.Time
}

// writes joins the many writes to a file into few events; none is later than writePause.
type writes struct {
	recent map[fileKey]*recent
	due    []due // in the order of time, one for each recent file
}

// wrote notes a write; closed: the writer is ready, so it is told at once where it may be.
func (w *Watch) wrote(f *folder, name string, closed bool) {
	key, now := fileKey{f, name}, time.Now()
	r := w.writes.recent[key]
	if r == nil {
		r = &recent{}
		w.writes.recent[key] = r
		w.writes.due = append(w.writes.due, due{key, now.Add(writePause)})
	}
	if r.dirty = true; closed && now.Sub(r.told) >= writePause {
		w.tellWrite(key, r, now)
	}
}

func (w *Watch) tellWrite(key fileKey, r *recent, now time.Time) {
	r.told, r.dirty = now, false
	if !key.folder.gone {
		w.tell("write", path.Join(w.path, key.folder.rel(), key.name), "file")
	}
}

// tellWrites tells what is due.
func (w *Watch) tellWrites(now time.Time) {
	for len(w.writes.due) > 0 && !now.Before(w.writes.due[0].at) {
		key := w.writes.due[0].file
		w.writes.due = w.writes.due[1:]
		r := w.writes.recent[key]
		if !r.dirty {
			delete(w.writes.recent, key)
			continue
		}
		if now.Sub(r.told) >= writePause {
			w.tellWrite(key, r, now)
		}
		w.writes.due = append(w.writes.due, due{key, now.Add(writePause)})
	}
}

// settle tells a waiting write before the file's name changes.
func (w *Watch) settle(f *folder, name string) {
	key := fileKey{f, name}
	if r := w.writes.recent[key]; r != nil && r.dirty {
		w.tellWrite(key, r, time.Now())
	}
}
