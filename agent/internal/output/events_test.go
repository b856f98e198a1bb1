package output

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"k2sandbox.dev/agent/internal/mixed"
)

// put adds data as a pump would, or says that a follower must read first.
func put(t *testing.T, r *Ring, kind byte, data []byte) bool {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	if _, err := syscall.Write(fds[1], data); err != nil {
		t.Fatal(err)
	}
	for left := len(data); left > 0; {
		n, full, err := r.ReadFrom(fds[0], kind, left)
		if err != nil {
			t.Fatal(err)
		}
		if full {
			return false
		}
		left -= n
	}
	return true
}

// event is n bytes that tell whether they are whole.
func event(n int) []byte { return []byte("<" + strings.Repeat("e", n-2) + ">") }

// took is what a follower got.
type took struct {
	data, events, gap int64
	ended             bool
}

func take(t *testing.T, f *Follower, into *took) {
	t.Helper()
	frames, _, ended := f.Fill(nil)
	into.ended = ended
	for len(frames) > 0 {
		payload := frames[mixed.HeaderSize : mixed.HeaderSize+int(binary.BigEndian.Uint32(frames[4:]))]
		switch frames[0] {
		case mixed.Event:
			into.events += int64(len(payload))
			if !bytes.HasPrefix(payload, []byte("<")) || !bytes.HasSuffix(payload, []byte(">")) {
				t.Fatal("an event in parts")
			}
		case mixed.Gap:
			into.gap += int64(binary.BigEndian.Uint64(payload))
		default:
			into.data += int64(len(payload))
			if bytes.ContainsAny(payload, "<>e") {
				t.Fatal("an event as output")
			}
		}
		frames = frames[mixed.HeaderSize+len(payload):]
	}
}

// Whatever comes in whatever order, every byte is given or counted as dropped, and events are whole.
func TestEveryByteIsGivenOrCounted(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := NewWithEvents(4<<10<<random.IntN(3), 3000, 3)
		followed := seed%2 == 0
		f, _ := r.Follow(0, false)
		var got took
		if !followed {
			f.Close()
		}
		for range 300 {
			switch random.IntN(4) {
			case 0:
				b := event(2 + random.IntN(2500))
				for !r.tryEvent(b, false) {
					take(t, f, &got)
				}
			case 1:
				if followed {
					take(t, f, &got)
				}
			default:
				data := bytes.Repeat([]byte("x"), 1+random.IntN(3000))
				if !put(t, r, mixed.Stdout+byte(random.IntN(2)), data) {
					take(t, f, &got) // the rest went with its pipe, and was never counted
				}
			}
		}
		r.Finish()
		if !followed {
			f, _ = r.Follow(0, false)
		}
		for !got.ended {
			take(t, f, &got)
		}
		f.Close()
		total, dropped := r.Counts()
		if got.data+got.events+got.gap != total || followed && got.gap != 0 || !followed && dropped != got.gap {
			t.Fatalf("seed %d: %+v of %d, %d dropped", seed, got, total, dropped)
		}
		for range 20 { // from any offset
			offset := random.Int64N(total + 1)
			again, _ := r.Follow(offset, false)
			var part took
			for !part.ended {
				take(t, again, &part)
			}
			again.Close()
			if part.data+part.events+part.gap != total-offset {
				t.Fatalf("seed %d from %d: %+v of %d", seed, offset, part, total)
			}
		}
		r.Discard()
	}
	if eventsTotal.bytes != 0 || len(eventsTotal.rings) != 0 {
		t.Fatalf("%d bytes in %d rings are left", eventsTotal.bytes, len(eventsTotal.rings))
	}
}

func TestEventsShareABudget(t *testing.T) {
	var rings []*Ring
	for range 10 {
		r := NewWithEvents(4<<10, 8<<20, 3)
		r.AddEvent(event(8<<20), false, 2, nil)
		rings = append(rings, r)
	}
	if eventsTotal.bytes > eventBudget {
		t.Errorf("%d bytes are held", eventsTotal.bytes)
	}
	f, _ := rings[9].Follow(0, false)
	if frames, _, _ := f.Fill(nil); len(frames) < 8<<20 {
		t.Error("the latest event is gone")
	}
	if old, _ := rings[0].Follow(0, false); old != nil {
		if frames, _, _ := old.Fill(nil); frames[0] != mixed.Gap {
			t.Error("the oldest is still there")
		}
		old.Close()
	}
	f.Close()
	for _, r := range rings {
		r.Discard()
	}
}

func TestOutputMovesToTheNextRing(t *testing.T) {
	idle := New(4<<10, 3)
	put(t, idle, mixed.Stdout, bytes.Repeat([]byte("a"), 3000))
	put(t, idle, mixed.Stderr, bytes.Repeat([]byte("b"), 3000))
	next := NewWithEvents(8<<10, 1000, 3)
	f, _ := next.Follow(0, false)
	defer f.Close()
	idle.MoveTo(next)
	idle.MoveTo(next) // nothing more
	put(t, next, mixed.Stdout, []byte("own"))
	put(t, idle, mixed.Stdout, []byte("again"))
	idle.MoveTo(next)
	next.Finish()
	var got took
	take(t, f, &got)
	if total, dropped := next.Counts(); got != (took{data: 4096 + 3 + 5, gap: 6000 - 4096, ended: true}) || total != 6008 || dropped != got.gap {
		t.Errorf("%+v of %d, %d dropped", got, total, dropped)
	}
}

// A last event is given with the end, or soon.
func TestALastEventDoesNotWaitForLong(t *testing.T) {
	r := NewWithEvents(4<<10, 1000, 3)
	f, _ := r.Follow(0, false)
	defer f.Close()
	r.AddEvent(event(10), true, 2, nil)
	select {
	case <-f.Wake():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	var got took
	if take(t, f, &got); got.events != 10 {
		t.Fatalf("%+v", got)
	}
}
