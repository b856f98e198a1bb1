package watch

import (
	"context"
	"sync"
	"time"
)

// maxWaiting bounds the events that a slow reader has not taken.
const maxWaiting = 64 << 10

// queue is between the kernel's events and the reader: it never blocks, and says when it dropped some.
type queue struct {
	mu     sync.Mutex
	events []Event
	lost   bool
	ended  bool
	wake   chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) push(e Event) {
	q.mu.Lock()
	switch {
	case q.ended:
	case q.lost || len(q.events) >= maxWaiting:
		q.lost = true
	default:
		q.events = append(q.events, e)
	}
	q.mu.Unlock()
	q.signal()
}

// lose notes that something was not told.
func (q *queue) lose() {
	q.mu.Lock()
	q.lost = true
	q.mu.Unlock()
	q.signal()
}

// end puts the last event behind all others, whether there is room or not.
func (q *queue) end(reason string) {
	q.mu.Lock()
	if !q.ended {
		q.flushLost()
		q.events = append(q.events, Event{Type: "end", Reason: reason, At: time.Now().UnixMilli()})
		q.ended = true
	}
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) flushLost() {
	if q.lost {
		q.events = append(q.events, Event{Type: "overflow", At: time.Now().UnixMilli()})
		q.lost = false
	}
}

// take waits for events and returns all; none when ctx has ended or all were taken.
func (q *queue) take(ctx context.Context) []Event {
	for {
		q.mu.Lock()
		q.flushLost()
		events, ended := q.events, q.ended
		q.events = nil
		q.mu.Unlock()
		if len(events) > 0 || ended {
			return events
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.wake:
		}
	}
}
