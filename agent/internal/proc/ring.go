package proc

import (
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/mixed"
)

const (
	firstRing = 4 << 10
	// Rings above freeRing share ringBudget: when it is spent, a ring stays as small as it is and drops (or holds up) earlier.
	freeRing   = 64 << 10
	ringBudget = 24 << 20
	readSize   = 64 << 10
	fillSize   = 256 << 10
)

var ringsTotal atomic.Int64

// segment is a run of bytes of one kind; it ends where the next one starts.
type segment struct {
	offset int64
	atUs   int64 // when its first byte was read, unix microseconds
	kind   byte
}

// ring keeps the latest output of one process. Offsets count all bytes of both streams. With followers nothing that
// one of them still has to read is dropped: the pumps wait. Without, the oldest bytes go.
type ring struct {
	mu         sync.Mutex
	buf        []byte
	limit      int
	charged    int64 // of ringBudget
	start, end int64
	segments   []segment
	head       int   // segments before it are gone
	delivered  int64 // what some follower has read up to
	dropped    int64 // what was lost before any follower read it
	followers  map[*Follower]struct{}
	room       []chan struct{} // one per pump, capacity 1
	finished   bool
	discarding bool
}

func newRing(limit, pumps int) *ring {
	r := &ring{limit: limit}
	for range pumps {
		r.room = append(r.room, make(chan struct{}, 1))
	}
	return r
}

// readFrom reads once from a non-blocking pipe. full: a follower must read first (wait for room).
func (r *ring) readFrom(fd int, kind byte) (n int, full bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.discarding {
		var scratch [16 << 10]byte
		n, err = readRetry(fd, scratch[:])
		return n, false, err
	}
	space := r.spaceLocked()
	if len(space) == 0 {
		return 0, true, nil
	}
	n, err = readRetry(fd, space)
	if n > 0 {
		r.commitLocked(n, kind)
	}
	return n, false, err
}

func readRetry(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// spaceLocked returns the place for the next bytes. It may hold the oldest ones: commitLocked counts them as dropped.
func (r *ring) spaceLocked() []byte {
	oldest, held := r.heldLocked()
	keep := r.start
	if held {
		keep = oldest
	}
	if free := len(r.buf) - int(r.end-r.start); free <= len(r.buf)/4 {
		r.growLocked()
	}
	if held && len(r.segments)-r.head >= r.maxSegments() {
		return nil
	}
	usable := len(r.buf)
	if held {
		usable = len(r.buf) - int(r.end-keep)
	}
	at := int(r.end % int64(len(r.buf)))
	return r.buf[at:min(len(r.buf), at+usable, at+readSize)]
}

// heldLocked finds the position of the slowest follower that still has something to read.
func (r *ring) heldLocked() (int64, bool) {
	oldest, held := int64(0), false
	for f := range r.followers {
		if r.finished && f.pos >= f.until {
			continue
		}
		if pos := max(f.pos, r.start); !held || pos < oldest {
			oldest, held = pos, true
		}
	}
	return oldest, held
}

func (r *ring) maxSegments() int { return max(256, r.limit/64) }

func (r *ring) growLocked() {
	size := len(r.buf)
	if size >= r.limit {
		return
	}
	next := min(max(firstRing, size*4), r.limit)
	if next > freeRing {
		extra := int64(next - size)
		if r.charged == 0 { // free until now
			extra = int64(next)
		}
		if ringsTotal.Add(extra) > ringBudget {
			ringsTotal.Add(-extra)
			if size > 0 {
				return
			}
			next = min(freeRing, r.limit)
		} else {
			r.charged += extra
		}
	}
	grown := make([]byte, next)
	for off := r.start; off < r.end; {
		from := r.buf[off%int64(size):]
		from = from[:min(int64(len(from)), r.end-off)]
		off += int64(copy(grown[off%int64(next):], from))
	}
	r.buf = grown
}

func (r *ring) commitLocked(n int, kind byte) {
	nowUs := time.Now().UnixMicro()
	last := len(r.segments) - 1
	if last < r.head || r.segments[last].kind != kind || nowUs/1000 != r.segments[last].atUs/1000 {
		if len(r.segments)-r.head >= r.maxSegments() {
			r.dropLocked(r.segments[r.head+1].offset)
		}
		r.segments = append(r.segments, segment{r.end, nowUs, kind})
	}
	r.end += int64(n)
	if over := r.end - int64(len(r.buf)); over > r.start {
		r.dropLocked(over)
	}
	r.wakeFollowersLocked()
}

// dropLocked forgets the bytes before offset.
func (r *ring) dropLocked(offset int64) {
	if unread := offset - max(r.start, r.delivered); unread > 0 {
		r.dropped += unread
	}
	r.start = offset
	for r.head+1 < len(r.segments) && r.segments[r.head+1].offset <= offset {
		r.head++
	}
	if r.head > 64 && r.head > len(r.segments)/2 {
		r.segments = append(r.segments[:0], r.segments[r.head:]...)
		r.head = 0
	}
}

func (r *ring) wakeFollowersLocked() {
	for f := range r.followers {
		wake(f.wake)
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// finish says that the stream ends at what is there now.
func (r *ring) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	for f := range r.followers {
		f.until = r.end
	}
	r.wakeFollowersLocked()
}

// discard frees the ring; what still comes is read and thrown away, so that writers never block or get SIGPIPE.
func (r *ring) discard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discarding = true
	ringsTotal.Add(-r.charged)
	r.charged = 0
	r.start, r.buf, r.segments, r.head = r.end, nil, nil, 0
	r.wakeFollowersLocked()
	for _, c := range r.room {
		wake(c)
	}
}

func (r *ring) counts() (output, dropped int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end, r.dropped
}

// Follower reads a ring from an offset on.
type Follower struct {
	ring     *ring
	pos      int64
	until    int64 // where the stream ends; known once the process has finished
	wake     chan struct{}
	time     bool
	lastTime int64 // milliseconds of the latest Time frame
}

// follow starts at offset; false when nothing has that offset yet.
func (r *ring) follow(offset int64, withTime bool) (*Follower, bool) {
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

// Close lets the ring drop what this follower has not read.
func (f *Follower) Close() {
	f.ring.mu.Lock()
	defer f.ring.mu.Unlock()
	delete(f.ring.followers, f)
	f.ring.wakePumpsLocked()
}

func (r *ring) wakePumpsLocked() {
	for _, c := range r.room {
		wake(c)
	}
}

// Wake is signalled when there may be more to Fill.
func (f *Follower) Wake() <-chan struct{} { return f.wake }

// Fill appends the frames of what is there, at most about fillSize bytes. more: call again at once. ended: the process
// has finished and all was given.
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
	for f.pos < end && len(b) < fillSize && len(r.buf) > 0 {
		b = f.frameLocked(b, end)
	}
	if f.pos != before {
		r.delivered = max(r.delivered, f.pos)
		r.wakePumpsLocked()
	}
	return b, f.pos < end, r.finished && f.pos >= end
}

// frameLocked appends one data frame, and a Time frame before it where asked for.
func (f *Follower) frameLocked(b []byte, end int64) []byte {
	r := f.ring
	live := r.segments[r.head:]
	i := sort.Search(len(live), func(i int) bool { return live[i].offset > f.pos }) - 1
	if i+1 < len(live) {
		end = min(end, live[i+1].offset)
	}
	n := min(end-f.pos, mixed.MaxData)
	if f.time && live[i].atUs/1000 != f.lastTime {
		f.lastTime = live[i].atUs / 1000
		b = mixed.AppendNumber(b, mixed.Time, uint64(live[i].atUs))
	}
	b = mixed.AppendHeader(b, live[i].kind, int(n))
	for n > 0 {
		from := r.buf[f.pos%int64(len(r.buf)):]
		from = from[:min(int64(len(from)), n)]
		b = append(b, from...)
		f.pos += int64(len(from))
		n -= int64(len(from))
	}
	return b
}
