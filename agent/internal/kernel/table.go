// Package kernel keeps code contexts: interpreters with state, and what runs in them.
package kernel

import (
	"context"
	"slices"
	"sync"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/proc"
)

// maxContexts bounds the contexts of a sandbox.
const maxContexts = 64

// Table holds the contexts of this agent, and their runs by id.
type Table struct {
	processes *proc.Table

	mu       sync.Mutex // taken after a context's, never before
	contexts map[string]*Context
	runs     map[string]*Run
	finished []*Run // oldest first
	requests int    // bytes, of runs that have not ended
}

// NewTable makes one whose interpreters are processes of the other.
func NewTable(processes *proc.Table) *Table {
	return &Table{processes: processes, contexts: map[string]*Context{}, runs: map[string]*Run{}}
}

// Create resolves when the context can run code. When it can't, or the caller leaves before and nobody else uses it, nothing stays.
func (t *Table) Create(ctx context.Context, spec Spec) (*Context, error) {
	c, err := newContext(t, spec)
	if err != nil {
		return nil, err
	}
	if err := t.add(c); err != nil {
		return nil, err
	}
	if err := c.untilStarted(ctx); err != nil {
		if ctx.Err() == nil || !c.isWanted() {
			t.Remove(c)
		}
		return nil, err
	}
	return c, nil
}

func (t *Table) add(c *Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.contexts[c.ID] != nil:
		return fault.New(fault.ContextExists, "context %q exists already", c.ID)
	case len(t.contexts) >= maxContexts:
		return fault.New(fault.TooManyContexts, "there are %d contexts already; delete some", maxContexts)
	}
	t.contexts[c.ID] = c
	return nil
}

// Context finds one, or fails with CONTEXT_NOT_FOUND.
func (t *Table) Context(id string) (*Context, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.contexts[id]; c != nil {
		return c, nil
	}
	return nil, notFound(id)
}

func notFound(id string) error {
	return fault.New(fault.ContextNotFound, "no context %q", id[:min(len(id), 64)])
}

func (t *Table) all() []*Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*Context, 0, len(t.contexts))
	for _, c := range t.contexts {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Context) int { return a.createdAt.Compare(b.createdAt) })
	return all
}

// Contexts tells of all, oldest first.
func (t *Table) Contexts() []Info {
	list := []Info{}
	for _, c := range t.all() {
		list = append(list, c.Info())
	}
	return list
}

// Remove ends a context with all that runs and waits in it, and forgets it.
func (t *Table) Remove(c *Context) {
	t.mu.Lock()
	if t.contexts[c.ID] == c {
		delete(t.contexts, c.ID)
	}
	t.mu.Unlock()
	c.remove()
}

// Close asks all interpreters to end by themselves, exit handlers included; those that run code get a signal from the caller.
func (t *Table) Close() {
	for _, c := range t.all() {
		c.close()
	}
}
