// Package output keeps the latest output of a process or a run, for readers that come and go.
package output

import (
	"sort"
	"sync"
	"syscall"
	"time"
)

const (
	firstRing = 4 << 10
	readSize  = 64 << 10
)

// segment is a run of bytes of one kind; it ends where the next one starts.
type segment struct {
	offset int64 // of its first byte in the stream
	place  int64 // of its first byte in buf, modulo its length; of an event: where it came
	atUs   int64 // when its first byte was read, unix microseconds
	kind   byte
	event  []byte // of a mixed.Event, which is kept as it is
}

// Ring keeps the latest output of one process or run. Offsets count all bytes of both streams, and of events. With followers
// nothing that one of them still has to read is dropped: the pumps wait. Without, the oldest bytes go.
type Ring struct {
	mu          sync.Mutex
	buf         []byte
	limit       int
	charged     int64 // of ringBudget
	start, end  int64
	first, last int64 // places: what is held in buf
	segments    []segment
	head        int   // segments before it are gone
	delivered   int64 // what some follower has read up to
	dropped     int64 // what was lost before any follower read it
	eventLimit  int64
	eventBytes  int64
	followers   map[*Follower]struct{}
	room        []chan struct{} // one per pump, capacity 1
	finished    bool
	discarding  bool
	released    bool // followers hold nothing any more
}

// New makes one that keeps up to limit bytes for so many pumps.
func New(limit, pumps int) *Ring {
	r := &Ring{limit: limit}
	for range pumps {
		r.room = append(r.room, make(chan struct{}, 1))
	}
	return r
}

// NewWithEvents makes one that keeps up to eventLimit bytes of events beside, and always one.
func NewWithEvents(limit, eventLimit, pumps int) *Ring {
	r := New(limit, pumps)
	r.eventLimit = int64(eventLimit)
	return r
}

// ReadFrom reads once from a non-blocking pipe, at most that much. full: a follower must read first (wait for Room).
func (r *Ring) ReadFrom(fd int, kind byte, most int) (n int, full bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.discarding {
		var scratch [16 << 10]byte
		n, err = readRetry(fd, scratch[:min(most, len(scratch))])
		return n, false, err
	}
	space := r.spaceLocked()
	if len(space) == 0 {
		return 0, true, nil
	}
	n, err = readRetry(fd, space[:min(most, len(space))])
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

// Room is signalled when a pump that found the ring full may try again.
func (r *Ring) Room(pump int) <-chan struct{} { return r.room[pump] }

// spaceLocked returns the place for the next bytes. It may hold the oldest ones: commitLocked counts them as dropped.
func (r *Ring) spaceLocked() []byte {
	oldest, held := r.heldLocked()
	if free := len(r.buf) - int(r.last-r.first); free <= len(r.buf)/4 {
		r.growLocked()
	}
	if held && len(r.segments)-r.head >= r.maxSegments() {
		return nil
	}
	usable := len(r.buf)
	if held {
		usable = len(r.buf) - int(r.last-r.placeLocked(oldest))
	}
	at := int(r.last % int64(len(r.buf)))
	return r.buf[at:min(len(r.buf), at+usable, at+readSize)]
}

// heldLocked finds the position of the slowest follower that still has something to read.
func (r *Ring) heldLocked() (int64, bool) {
	oldest, held := int64(0), false
	if r.released {
		return 0, false
	}
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

// segmentLocked finds the one that holds offset, which is held.
func (r *Ring) segmentLocked(offset int64) int {
	live := r.segments[r.head:]
	return r.head + sort.Search(len(live), func(i int) bool { return live[i].offset > offset }) - 1
}

// placeLocked is where the byte of a held offset is, or the next one will be, in buf.
func (r *Ring) placeLocked(offset int64) int64 {
	if offset >= r.end {
		return r.last
	}
	s := &r.segments[r.segmentLocked(offset)]
	if s.event != nil {
		return s.place
	}
	return s.place + offset - s.offset
}

func (r *Ring) maxSegments() int { return max(256, r.limit/64) }

func (r *Ring) growLocked() {
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
	for at := r.first; at < r.last; {
		from := r.buf[at%int64(size):]
		from = from[:min(int64(len(from)), r.last-at)]
		at += int64(copy(grown[at%int64(next):], from))
	}
	r.buf = grown
}

// commitLocked makes n bytes that were put at last part of the stream.
func (r *Ring) commitLocked(n int, kind byte) {
	nowUs := time.Now().UnixMicro()
	last := len(r.segments) - 1
	if last < r.head || r.segments[last].kind != kind || nowUs/1000 != r.segments[last].atUs/1000 {
		r.addSegmentLocked(segment{r.end, r.last, nowUs, kind, nil})
	}
	r.end += int64(n)
	r.last += int64(n)
	if over := r.last - int64(len(r.buf)); over > r.first {
		r.dropLocked(r.offsetLocked(over))
	}
	r.wakeFollowersLocked()
}

func (r *Ring) addSegmentLocked(s segment) {
	if len(r.segments)-r.head >= r.maxSegments() {
		r.dropLocked(r.segments[r.head+1].offset)
	}
	r.segments = append(r.segments, s)
}

// offsetLocked is the offset of the byte at a held place, or of the first event that came before it and after the one before.
func (r *Ring) offsetLocked(place int64) int64 {
	live := r.segments[r.head:]
	i := sort.Search(len(live), func(i int) bool { return live[i].place >= place })
	if i < len(live) && live[i].place == place {
		return live[i].offset
	}
	return live[i-1].offset + place - live[i-1].place
}

// dropLocked forgets the bytes before offset, and the rest of an event that offset cuts.
func (r *Ring) dropLocked(offset int64) {
	for r.head < len(r.segments) && r.segments[r.head].offset < offset {
		until := r.untilLocked(r.head)
		if s := &r.segments[r.head]; s.event != nil {
			offset = max(offset, until)
			r.forgetEventLocked(s)
		}
		if until > offset {
			break
		}
		r.head++
	}
	if unread := offset - max(r.start, r.delivered); unread > 0 {
		r.dropped += unread
	}
	r.first = r.last
	if r.head < len(r.segments) {
		r.first = r.placeLocked(offset)
	}
	r.start = offset
	if r.head > 64 && r.head > len(r.segments)/2 {
		n := copy(r.segments, r.segments[r.head:])
		clear(r.segments[n:])
		r.segments = r.segments[:n]
		r.head = 0
	}
}

// untilLocked is where segment i ends.
func (r *Ring) untilLocked(i int) int64 {
	if i+1 < len(r.segments) {
		return r.segments[i+1].offset
	}
	return r.end
}

// Release lets go of followers that hold the ring up: what they have not read may be dropped from now on.
func (r *Ring) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released = true
	r.wakePumpsLocked()
}

// Finish says that the stream ends at what is there now. A pump that waits for room is woken: it may have another ring now.
func (r *Ring) Finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	for f := range r.followers {
		f.until = r.end
	}
	r.wakeFollowersLocked()
	r.wakePumpsLocked()
}

// Discard frees the ring; what still comes is read and thrown away, so that writers never block or get SIGPIPE.
func (r *Ring) Discard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discarding = true
	ringsTotal.Add(-r.charged)
	r.charged = 0
	for i := r.head; i < len(r.segments); i++ {
		r.forgetEventLocked(&r.segments[i])
	}
	r.start, r.first, r.buf, r.segments, r.head = r.end, r.last, nil, nil, 0
	r.wakeFollowersLocked()
	r.wakePumpsLocked()
}

// MoveTo gives what is held to another ring; where that has nothing yet, together with the fact that more is missing before it.
func (r *Ring) MoveTo(to *Ring) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to.mu.Lock()
	defer to.mu.Unlock()
	if to.end == 0 {
		to.start, to.end, to.dropped = r.start, r.start, r.start
	}
	to.released = true
	defer func() { to.released = false }()
	for i := r.head; i < len(r.segments); i++ {
		s := r.segments[i]
		for at, until := r.placeLocked(max(s.offset, r.start)), s.place+r.untilLocked(i)-s.offset; at < until; {
			from := r.buf[at%int64(len(r.buf)):]
			n := copy(to.spaceLocked(), from[:min(int64(len(from)), until-at)])
			to.commitLocked(n, s.kind)
			at += int64(n)
		}
	}
	r.start, r.end, r.first, r.last, r.segments, r.head, r.dropped = 0, 0, 0, 0, nil, 0, 0
}

// Counts tells how many bytes came, and how many of them no follower ever got.
func (r *Ring) Counts() (output, dropped int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end, r.dropped
}

func (r *Ring) wakeFollowers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeFollowersLocked()
}

func (r *Ring) wakeFollowersLocked() {
	for f := range r.followers {
		wake(f.wake)
	}
}

func (r *Ring) wakePumpsLocked() {
	for _, c := range r.room {
		wake(c)
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
