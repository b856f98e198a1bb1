package output

import (
	"time"

	"k2sandbox.dev/agent/internal/mixed"
)

// lastEventWaits is how long a last event waits for the end, which comes at once where all is well: then one write takes both.
const lastEventWaits = time.Millisecond

// AddEvent adds an event, which is delivered or dropped whole; the bytes are the ring's from then on. It waits for followers as
// a pump does; given up, it adds nothing. last: Finish is about to be called.
func (r *Ring) AddEvent(b []byte, last bool, pump int, givenUp <-chan struct{}) {
	if len(b) == 0 {
		return
	}
	makeEventRoom(r, int64(len(b)))
	for !r.tryEvent(b, last) {
		select {
		case <-r.room[pump]:
		case <-givenUp:
			return
		}
	}
}

// tryEvent adds it, or says that a follower must read first.
func (r *Ring) tryEvent(b []byte, last bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.discarding {
		return true
	}
	size := int64(len(b))
	oldest, held := r.heldLocked()
	if !held {
		oldest = r.end
	}
	r.shedLocked(oldest, size)
	if held && (r.eventBytes > 0 && r.eventBytes+size > r.eventLimit || len(r.segments)-r.head >= r.maxSegments()) {
		return false
	}
	r.addSegmentLocked(segment{r.end, r.last, time.Now().UnixMicro(), mixed.Event, b})
	r.end += size
	r.eventBytes += size
	eventsTotal.add(r, size)
	if last {
		time.AfterFunc(lastEventWaits, r.wakeFollowers)
	} else {
		r.wakeFollowersLocked()
	}
	return true
}

// shedLocked drops the oldest output before offset until events of so many bytes more fit, as far as they can.
func (r *Ring) shedLocked(before, size int64) {
	for i := r.head; i < len(r.segments) && r.eventBytes > 0 && r.eventBytes+size > r.eventLimit; i = r.head {
		for i < len(r.segments) && r.segments[i].event == nil {
			i++
		}
		if i == len(r.segments) || r.untilLocked(i) > before {
			return
		}
		r.dropLocked(r.untilLocked(i))
	}
}

// shed drops all events that nobody holds, with the output before them, for the sake of other rings.
func (r *Ring) shed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest, held := r.heldLocked()
	if !held {
		oldest = r.end
	}
	r.shedLocked(oldest, r.eventLimit)
}

func (r *Ring) forgetEventLocked(s *segment) {
	if s.event == nil {
		return
	}
	size := int64(len(s.event))
	s.event = []byte{} // still an event
	r.eventBytes -= size
	eventsTotal.add(r, -size)
}

// AddEventNow adds an event in any case: what followers have not read may be dropped for it.
func (r *Ring) AddEventNow(b []byte) {
	r.Release()
	r.tryEvent(b, false)
}
