package watch

import (
	"context"
	"testing"
)

func TestQueueSaysWhereItLostEvents(t *testing.T) {
	q := newQueue()
	for range maxWaiting + 10 {
		q.push(Event{Type: "create"})
	}
	events := q.take(t.Context())
	if len(events) != maxWaiting+1 || events[maxWaiting].Type != "overflow" || events[maxWaiting-1].Type != "create" {
		t.Fatalf("%d events", len(events))
	}
	q.push(Event{Type: "remove"})
	q.end("removed")
	q.push(Event{Type: "create"})
	if events = q.take(t.Context()); len(events) != 2 || events[0].Type != "remove" || events[1].Type != "end" {
		t.Fatalf("%+v", events)
	}
	if events = q.take(t.Context()); len(events) != 0 {
		t.Fatalf("after the end: %+v", events)
	}
}

func TestQueueIsLeftWithItsReader(t *testing.T) {
	q := newQueue()
	ctx, leave := context.WithCancel(t.Context())
	taken := make(chan []Event)
	go func() { taken <- q.take(ctx) }()
	leave()
	if events := <-taken; len(events) != 0 {
		t.Fatalf("%+v", events)
	}
}
