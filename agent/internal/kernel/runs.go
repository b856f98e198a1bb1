package kernel

import (
	"slices"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/proc"
)

const (
	// maxFinished bounds the finished runs that are kept; the oldest go first.
	maxFinished = 1024
	// maxRequests bounds the code of all runs that have not ended; one may always be.
	maxRequests = 64 << 20
)

// Run finds a run that is not forgotten; nil: there is none.
func (t *Table) Run(id string) *Run {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.runs[id]
}

// Runs lists the statuses of all that are not forgotten.
func (t *Table) Runs() []proc.Status {
	t.mu.Lock()
	all := make([]*Run, 0, len(t.runs))
	for _, r := range t.runs {
		all = append(all, r)
	}
	t.mu.Unlock()
	list := make([]proc.Status, 0, len(all))
	for _, r := range all {
		list = append(list, r.Status())
	}
	return list
}

// addRun takes the id, which no process may have either.
func (t *Table) addRun(r *Run) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runs[r.ID] != nil || t.processes.Has(r.ID) {
		return fault.New(fault.ProcessExists, "process %q exists already", r.ID)
	}
	if t.requests > 0 && t.requests+len(r.request) > maxRequests {
		return fault.New(fault.TooManyProcesses, "the runs that have not ended have more than %d bytes of code", maxRequests)
	}
	t.requests += len(r.request)
	t.runs[r.ID] = r
	return nil
}

// releaseRequest is for a run that ends, or was refused.
func (t *Table) releaseRequest(r *Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests -= len(r.request)
}

func (t *Table) keepFinished(r *Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runs[r.ID] != r {
		return // it was to be removed
	}
	t.finished = append(t.finished, r)
	r.keepTimer = time.AfterFunc(r.spec.keep(), func() { t.forget(r) })
	if len(t.finished) > maxFinished {
		t.forgetLocked(t.finished[0])
	}
}

// RemoveRun ends a run and forgets it.
func (t *Table) RemoveRun(r *Run) {
	r.Kill(proc.ReasonKilled)
	t.forget(r)
}

// forget drops a run's status and output. Idempotent.
func (t *Table) forget(r *Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetLocked(r)
}

func (t *Table) forgetLocked(r *Run) {
	if t.runs[r.ID] == r {
		delete(t.runs, r.ID)
	}
	if i := slices.Index(t.finished, r); i >= 0 {
		t.finished = slices.Delete(t.finished, i, i+1)
	}
	if r.keepTimer != nil {
		r.keepTimer.Stop()
	}
	r.ring.Discard()
}
