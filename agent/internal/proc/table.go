// Package proc starts, follows, signals, ends and reaps the processes of a sandbox.
package proc

import (
	"sort"
	"sync"
	"time"

	"k2sandbox.dev/agent/internal/fault"
)

const (
	// maxRunning bounds the running processes of the server (what they start themselves, the pids limit bounds).
	maxRunning = 256
	// maxFinished bounds the finished ones that are kept; the oldest go first.
	maxFinished = 1024
)

// Table holds the processes of this agent. One per agent process: its reaper owns wait4(2).
type Table struct {
	self   int
	tagger *tagger
	oom    *oomCounter

	// forkMu is held from before the fork until the child is in byPID, and while the agent's own soft RLIMIT_LOCKS is a tag.
	forkMu sync.Mutex

	mu       sync.Mutex
	byID     map[string]*Process
	byPID    map[int]*Process // not yet reaped
	tags     map[uint64]bool  // of all processes whose descendants may live, also forgotten ones
	finished []*Process       // oldest first
	running  int
	closing  bool
}

// NewTable makes the table and starts the reaper.
func NewTable(self int) *Table {
	t := &Table{
		self: self, tagger: newTagger(), oom: openOOMCounter(),
		byID: map[string]*Process{}, byPID: map[int]*Process{}, tags: map[uint64]bool{},
	}
	t.startReaper()
	return t
}

// Get finds a process or fails with PROCESS_NOT_FOUND. It waits for one that is just being started: before that it has
// no pid, and whoever wants to kill it must not be told that there is nothing to kill.
func (t *Table) Get(id string) (*Process, error) {
	t.mu.Lock()
	p := t.byID[id]
	t.mu.Unlock()
	if p != nil && !p.hidden {
		<-p.launched
		if p.pid > 1 {
			return p, nil
		}
	}
	return nil, fault.New(fault.ProcessNotFound, "no process %q: it was never started, or finished too long ago", id)
}

// Has says whether the id is taken.
func (t *Table) Has(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id] != nil
}

// List returns all statuses, oldest start first.
func (t *Table) List() []Status {
	t.mu.Lock()
	all := make([]*Process, 0, len(t.byID))
	for _, p := range t.byID {
		if p.isLaunched() && !p.hidden {
			all = append(all, p)
		}
	}
	t.mu.Unlock()
	list := make([]Status, 0, len(all))
	for _, p := range all {
		list = append(list, p.Status())
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].StartedAt != list[j].StartedAt {
			return list[i].StartedAt < list[j].StartedAt
		}
		return list[i].ID < list[j].ID
	})
	return list
}

// Running counts the processes that have not finished.
func (t *Table) Running() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running
}

// reserve takes the id, or says why not.
func (t *Table) reserve(p *Process) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closing:
		return fault.New(fault.ShuttingDown, "the sandbox is shutting down")
	case t.byID[p.ID] != nil:
		return fault.New(fault.ProcessExists, "process %q exists already", p.ID)
	case t.running >= maxRunning:
		return fault.New(fault.TooManyProcesses, "%d processes are running already", maxRunning)
	}
	t.byID[p.ID] = p
	t.running++
	if p.tag != 0 {
		t.tags[p.tag] = true
	}
	if len(t.tags) > len(t.byID)+maxIdleTags {
		t.pruneTagsLocked()
	}
	return nil
}

// maxIdleTags bounds the tags of forgotten processes whose leftovers may live; pruning reads all of /proc.
const maxIdleTags = 128

// pruneTagsLocked forgets the tags that nothing carries any more. t.mu held.
func (t *Table) pruneTagsLocked() {
	keep := map[uint64]bool{}
	for _, s := range snapshot(t.self) {
		if t.tags[s.tag] {
			keep[s.tag] = true
		}
	}
	for _, p := range t.byID {
		if p.tag != 0 {
			keep[p.tag] = true
		}
	}
	t.tags = keep
}

func (t *Table) unreserve(p *Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, p.ID)
	delete(t.tags, p.tag)
	t.running--
}

func (t *Table) keepFinished(p *Process, keep time.Duration) {
	t.mu.Lock()
	t.running--
	t.finished = append(t.finished, p)
	var oldest *Process
	if len(t.finished) > maxFinished {
		oldest = t.finished[0]
	}
	p.keepTimer = time.AfterFunc(keep, func() { t.forget(p) })
	t.mu.Unlock()
	if oldest != nil {
		t.forget(oldest)
	}
}

// forget removes a finished process; its leftovers live on, their output is thrown away. Idempotent.
func (t *Table) forget(p *Process) {
	t.mu.Lock()
	if t.byID[p.ID] == p {
		delete(t.byID, p.ID)
	}
	for i, q := range t.finished {
		if q == p {
			t.finished = append(t.finished[:i], t.finished[i+1:]...)
			break
		}
	}
	if p.isFinished() && p.leftovers == 0 {
		delete(t.tags, p.tag)
	}
	timer := p.keepTimer
	t.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	p.ring.Discard()
}
