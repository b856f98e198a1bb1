package output

import (
	"sync"
	"sync/atomic"
)

const (
	// Rings above freeRing share ringBudget: when it is spent, a ring stays as small as it is and drops (or holds up) earlier.
	freeRing   = 64 << 10
	ringBudget = 24 << 20
	// eventBudget is what the events of all rings may hold before those that nobody waits for are dropped, oldest rings first.
	eventBudget = 32 << 20
)

var ringsTotal atomic.Int64

// eventTotal knows which rings hold events, in the order in which they began to.
type eventTotal struct {
	mu    sync.Mutex
	bytes int64
	rings []*Ring
}

var eventsTotal eventTotal

// add is called with the ring's lock held, so it calls none of its methods.
func (t *eventTotal) add(r *Ring, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += bytes
	at := -1
	for i, known := range t.rings {
		if known == r {
			at = i
			break
		}
	}
	switch {
	case r.eventBytes == 0 && at >= 0:
		t.rings = append(t.rings[:at], t.rings[at+1:]...)
	case r.eventBytes > 0 && at < 0:
		t.rings = append(t.rings, r)
	}
}

func (t *eventTotal) spent(more int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes+more > eventBudget
}

// makeEventRoom drops events of other rings that nobody waits for until so many bytes fit. What is held stays: a ring that is
// followed holds its reader's pace up instead.
func makeEventRoom(r *Ring, size int64) {
	if !eventsTotal.spent(size) {
		return
	}
	eventsTotal.mu.Lock()
	others := append([]*Ring(nil), eventsTotal.rings...)
	eventsTotal.mu.Unlock()
	for _, other := range others {
		if other != r {
			other.shed()
		}
		if !eventsTotal.spent(size) {
			return
		}
	}
}
