package watch

import (
	"time"

	"k2sandbox.dev/agent/internal/files"
)

// Event is one line of the stream, see README.md. At is in unix milliseconds.
type Event struct {
	Type       string `json:"type"`
	Path       string `json:"path,omitempty"`
	PathBase64 string `json:"path_base64,omitempty"`
	From       string `json:"from,omitempty"`
	FromBase64 string `json:"from_base64,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Skipped    *int   `json:"skipped,omitempty"`
	Reason     string `json:"reason,omitempty"`
	At         int64  `json:"at"`
}

// Why a stream ends.
const (
	endRemoved    = "removed"
	endMoved      = "moved"
	endPermission = "permission"
	endLimit      = "limit"
	endFailed     = "failed"
)

const directory = "directory"

func (w *Watch) tell(kind, path, what string) {
	e := Event{Type: kind, Kind: what, At: time.Now().UnixMilli()}
	if path != "" {
		e.Path, e.PathBase64 = files.Text(path)
	}
	w.queue.push(e)
}

func (w *Watch) tellRename(from, to, what string) {
	e := Event{Type: "rename", Kind: what, At: time.Now().UnixMilli()}
	e.From, e.FromBase64 = files.Text(from)
	e.Path, e.PathBase64 = files.Text(to)
	w.queue.push(e)
}
