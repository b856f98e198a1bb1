// Package watch tells what changes in a folder, with the eyes of one user: one inotify instance a watch.
package watch

import (
	"context"
	"errors"
	"os"
	"path"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
)

// pingEvery shows the reader's side that the stream lives, and finds what no event tells.
const pingEvery = 10 * time.Second

// Watch is a running watch. All but queue belongs to its one goroutine.
type Watch struct {
	user      *identity.User
	path      string
	recursive bool
	ctx       context.Context
	cancel    context.CancelFunc
	stream    *stream
	queue     *queue
	ended     chan struct{}

	top              *folder
	rootDev, rootIno uint64
	byWatch          map[int32]*folder
	skipped          int
	writes           writes
}

// Start watches the folder p, with recursive all folders below it, which is ready when it returns: the first event says
// so. Fails with WATCH_LIMIT where the kernel has no more to give, TOO_LARGE with too many folders.
func Start(ctx context.Context, user *identity.User, p string, recursive bool) (*Watch, error) {
	s, err := openStream()
	if err != nil {
		return nil, limitFault(err, "fs.inotify.max_user_instances", p)
	}
	w := &Watch{
		user: user, path: path.Clean(p), recursive: recursive, stream: s, queue: newQueue(), ended: make(chan struct{}),
		byWatch: map[int32]*folder{}, writes: writes{recent: map[fileKey]*recent{}},
	}
	w.ctx, w.cancel = context.WithCancel(ctx)
	if _, err := w.grow(nil, "", growth{}); err != nil {
		w.cancel()
		_ = s.file.Close()
		return nil, limitFault(err, "fs.inotify.max_user_watches", p)
	}
	skipped := w.skipped
	w.queue.push(Event{Type: "ready", Skipped: &skipped, At: time.Now().UnixMilli()})
	go w.run()
	return w, nil
}

func limitFault(err error, setting, p string) error {
	if err == syscall.EMFILE || err == syscall.ENOSPC || err == syscall.ENOMEM {
		return fault.New(fault.WatchLimit, "the host's kernel gives no more watches: end some, or raise %s on the host", setting)
	}
	return fault.Of(err, p)
}

// Next waits for events. None: the caller left, or the end was told.
func (w *Watch) Next(ctx context.Context) []Event { return w.queue.take(ctx) }

// Close ends the watch and waits for it.
func (w *Watch) Close() {
	w.cancel()
	_ = w.stream.file.SetReadDeadline(time.Unix(1, 0))
	<-w.ended
}

func (w *Watch) run() {
	defer close(w.ended)
	defer w.stream.file.Close()
	defer w.cancel()
	w.queue.end(reason(w.loop()))
}

// reason is what the reader is told of the error that ended the watch.
func reason(err error) string {
	var end errEnd
	switch {
	case errors.As(err, &end):
		return string(end)
	case err == errTooMany, err == syscall.ENOSPC, err == syscall.ENOMEM:
		return endLimit
	case err == errGone, err == syscall.ENOENT, err == syscall.ENOTDIR:
		return endRemoved
	case err == syscall.EACCES, err == syscall.EPERM:
		return endPermission
	}
	return endFailed
}

func (w *Watch) loop() error {
	ping := time.Now().Add(pingEvery)
	for {
		now := time.Now()
		w.tellWrites(now)
		if !now.Before(ping) {
			if err := w.checkRoot(); err != nil {
				return err
			}
			w.tell("ping", "", "")
			ping = now.Add(pingEvery)
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if len(w.stream.next) > 0 {
			if err := w.handle(w.stream.pop()); err != nil {
				return err
			}
			continue
		}
		wake := ping
		if len(w.writes.due) > 0 && w.writes.due[0].at.Before(wake) {
			wake = w.writes.due[0].at
		}
		if err := w.wait(wake); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// wait reads events until the time. Close cancels before it moves the deadline: one of both is seen.
func (w *Watch) wait(until time.Time) error {
	if err := w.stream.file.SetReadDeadline(until); err != nil {
		return err
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.stream.fill()
}

// rebuild begins anew after the kernel dropped events: nobody knows which folders came and went.
func (w *Watch) rebuild() error {
	w.forget(w.top)
	w.writes = writes{recent: map[fileKey]*recent{}}
	_, err := w.grow(nil, "", growth{})
	w.tell("overflow", "", "")
	return err
}
