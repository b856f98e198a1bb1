package files

import (
	"hash/maphash"
	"sync"

	"k2sandbox.dev/agent/internal/sys"
)

// names serialise the agent's own writers: between a condition's check and the rename that relies on it no other of
// them comes. A lock is held for a few system calls; which names share one is chance.
var (
	names    [64]sync.Mutex
	nameSeed = maphash.MakeSeed()
)

// lockName locks base in the folder dirfd.
func lockName(dirfd int, base string) (unlock func()) {
	st, _ := sys.Fstat(dirfd) // fails for no open descriptor
	at := &names[maphash.Comparable(nameSeed, struct {
		dev, ino uint64
		base     string
	}{st.Dev, st.Ino, base})%uint64(len(names))]
	at.Lock()
	return at.Unlock
}
