package api

import (
	"bytes"
	"math"
	"net/http"
	"sync"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/mixed"
	"k2sandbox.dev/agent/internal/output"
)

// startHold is how long the first frame of a new process waits for company: most commands print or end within it, and
// then start, output and end travel together. Output itself never waits.
const startHold = 1500 * time.Microsecond

var frameBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// maxPooled keeps buffers of large outputs out of the pool: idle memory.
const maxPooled = 64 << 10

func (s *server) output(w http.ResponseWriter, r *http.Request) error {
	p, err := s.execution(r.PathValue("id"))
	if err != nil {
		return err
	}
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	offset, err := q.number("offset", 0, 0, math.MaxInt64)
	if err != nil {
		return err
	}
	follow, err := q.flag("follow", false)
	if err != nil {
		return err
	}
	withTime, err := q.flag("time", false)
	if err != nil {
		return err
	}
	follower, ok := p.Follow(offset, withTime)
	if !ok {
		return fault.New(fault.InvalidRequest, "offset %d lies after the end of the output", offset)
	}
	return stream(w, r, p, follower, follow, 0)
}

// stream writes the mixed stream until the process has ended, or without follow until all that is there was given.
func stream(w http.ResponseWriter, r *http.Request, p execution, f *output.Follower, follow bool, hold time.Duration) error {
	defer f.Close()
	pooled := frameBuffers.Get().(*[]byte)
	b := (*pooled)[:0]
	defer func() {
		if cap(b) <= maxPooled {
			*pooled = b
			frameBuffers.Put(pooled)
		}
	}()
	w.Header().Set("Content-Type", mixed.ContentType)
	b = appendStatus(b, mixed.Started, p)
	if hold > 0 {
		timer := time.NewTimer(hold)
		select {
		case <-f.Wake():
		case <-timer.C:
		}
		timer.Stop()
	}
	for {
		var more, ended bool
		b, more, ended = f.Fill(b)
		if ended {
			b = appendStatus(b, mixed.Ended, p)
		}
		if len(b) > 0 {
			if _, err := w.Write(b); err != nil {
				return nil // the client has gone; the process goes on
			}
			b = b[:0]
		}
		if ended || !follow && !more {
			return nil
		}
		if more {
			continue
		}
		w.(http.Flusher).Flush()
		select {
		case <-f.Wake():
		case <-r.Context().Done():
			return nil
		}
	}
}

func appendStatus(b []byte, kind byte, p execution) []byte {
	var text bytes.Buffer
	_ = encode(&text, p.Status()) // plain data always encodes
	return mixed.AppendFrame(b, kind, bytes.TrimRight(text.Bytes(), "\n"))
}
