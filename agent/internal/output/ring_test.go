package output

import (
	"os"
	"syscall"
	"testing"
)

// A ring gives back what it took of the budget, however it grew: else the budget grows, or is spent, with every process.
func TestRingsGiveBackTheirBudget(t *testing.T) {
	before := ringsTotal.Load()
	data := make([]byte, 32<<10)
	for _, limit := range []int{4 << 10, freeRing, freeRing + 1, 1 << 20, 16 << 20} {
		r := New(limit, 1)
		for written := 0; written < 2*limit; written += len(data) {
			fillFromPipe(t, r, data)
		}
		if charged := ringsTotal.Load() - before; (charged > 0) != (limit > freeRing) {
			t.Errorf("a ring of %d took %d", limit, charged)
		}
		r.Discard()
		if left := ringsTotal.Load() - before; left != 0 {
			t.Errorf("a ring of %d left %d", limit, left)
		}
	}
}

func fillFromPipe(t *testing.T, r *Ring, data []byte) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := to.Write(data); err != nil {
		t.Fatal(err)
	}
	_ = to.Close()
	fd := int(from.Fd())
	for {
		if n, _, err := r.ReadFrom(fd, 1, 1<<20); n == 0 || err == syscall.EBADF {
			return
		}
	}
}
