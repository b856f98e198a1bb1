package output

import "k2sandbox.dev/agent/internal/mixed"

// fillSize is about what one Fill gives.
const fillSize = 256 << 10

// Follower reads a ring from an offset on.
type Follower struct {
	ring     *Ring
	pos      int64
	until    int64 // where the stream ends; known once the process has finished
	wake     chan struct{}
	time     bool
	lastTime int64 // milliseconds of the latest Time frame
}

// Follow starts at offset; false when nothing has that offset yet.
func (r *Ring) Follow(offset int64, withTime bool) (*Follower, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if offset > r.end {
		return nil, false
	}
	f := &Follower{ring: r, pos: offset, wake: make(chan struct{}, 1), time: withTime}
	if r.finished {
		f.until = r.end
	}
	if r.finished || offset < r.end {
		wake(f.wake)
	}
	if r.followers == nil {
		r.followers = map[*Follower]struct{}{}
	}
	r.followers[f] = struct{}{}
	return f, true
}

// Close lets the ring drop what this follower has not read. Idempotent.
func (f *Follower) Close() {
	f.ring.mu.Lock()
	defer f.ring.mu.Unlock()
	delete(f.ring.followers, f)
	f.ring.wakePumpsLocked()
}

// Wake is signalled when there may be more to Fill.
func (f *Follower) Wake() <-chan struct{} { return f.wake }

// Fill appends the frames of what is there, at most about fillSize bytes, or one event. more: call again at once. ended: the
// process has finished and all was given.
func (f *Follower) Fill(b []byte) (out []byte, more, ended bool) {
	r := f.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.end
	if r.finished {
		end = min(end, f.until)
	}
	if f.pos < r.start {
		gap := min(r.start, max(end, f.pos)) - f.pos
		if gap > 0 {
			b = mixed.AppendNumber(b, mixed.Gap, uint64(gap))
			f.pos += gap
		}
	}
	before := f.pos
	for f.pos < end && len(b) < fillSize && r.head < len(r.segments) {
		b = f.frameLocked(b, end)
	}
	if f.pos != before {
		r.delivered = max(r.delivered, f.pos)
		r.wakePumpsLocked()
	}
	return b, f.pos < end, r.finished && f.pos >= end
}

// frameLocked appends one data frame or event, and a Time frame before it where asked for.
func (f *Follower) frameLocked(b []byte, end int64) []byte {
	r := f.ring
	i := r.segmentLocked(f.pos)
	s := &r.segments[i]
	end = min(end, r.untilLocked(i))
	if s.event != nil && f.pos > s.offset { // nobody can use a part
		b = mixed.AppendNumber(b, mixed.Gap, uint64(end-f.pos))
		f.pos = end
		return b
	}
	if f.time && s.atUs/1000 != f.lastTime {
		f.lastTime = s.atUs / 1000
		b = mixed.AppendNumber(b, mixed.Time, uint64(s.atUs))
	}
	if s.event != nil {
		f.pos = end
		return mixed.AppendFrame(b, s.kind, s.event)
	}
	n := min(end-f.pos, mixed.MaxData)
	b = mixed.AppendHeader(b, s.kind, int(n))
	for at := s.place + f.pos - s.offset; n > 0; {
		from := r.buf[at%int64(len(r.buf)):]
		from = from[:min(int64(len(from)), n)]
		b = append(b, from...)
		f.pos += int64(len(from))
		at += int64(len(from))
		n -= int64(len(from))
	}
	return b
}
