package kernel

import (
	"context"

	"k2sandbox.dev/agent/internal/proc"
)

// start is an interpreter that is being started.
type start struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // written before done is closed
}

// startLocked begins to start an interpreter unless that is on the way. c.mu held.
func (c *Context) startLocked() *start {
	if c.starting == nil {
		ctx, cancel := context.WithCancel(context.Background())
		c.starting = &start{cancel: cancel, done: make(chan struct{})}
		go c.bringUp(ctx, c.starting)
	}
	return c.starting
}

func (c *Context) bringUp(ctx context.Context, s *start) {
	defer s.cancel()
	defer close(s.done)
	i, err := startInterpreter(ctx, c)
	if s.err = c.take(i, err); s.err != nil && err == nil {
		i.kill(proc.ReasonKilled)
	}
}

// take is the end of a start.
func (c *Context) take(i *interpreter, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starting = nil
	if err != nil {
		for _, r := range c.waiting {
			r.failToStartLocked(err)
		}
		c.waiting = nil
		return err
	}
	go i.watch()
	if c.removed {
		return notFound(c.ID)
	}
	c.interp, c.version = i, i.version
	c.starts++
	c.advanceLocked()
	return nil
}

// untilStarted resolves when it has an interpreter, which it starts if there is none.
func (c *Context) untilStarted(ctx context.Context) error {
	c.mu.Lock()
	if c.removed {
		c.mu.Unlock()
		return notFound(c.ID)
	}
	if c.interp != nil {
		c.mu.Unlock()
		return nil
	}
	s := c.startLocked()
	c.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Restart replaces its interpreter. What runs ends for that reason, what waits goes on in the new one.
func (c *Context) Restart(ctx context.Context) error {
	c.restartTurn.Lock()
	defer c.restartTurn.Unlock()
	c.mu.Lock()
	old := c.interp
	if old != nil {
		c.restarting = true
		c.doomCurrentLocked(proc.ReasonRestarted)
	}
	c.mu.Unlock()
	if old != nil {
		old.kill(proc.ReasonKilled)
		<-old.ended
	}
	c.mu.Lock()
	c.restarting, c.lost = false, false
	c.mu.Unlock()
	return c.untilStarted(ctx)
}

// remove ends it with all that runs and waits in it. Returns when that has ended.
func (c *Context) remove() {
	c.mu.Lock()
	c.removed = true
	i := c.interp
	for _, r := range c.waiting {
		r.endUnbegunLocked(proc.ReasonKilled)
	}
	c.waiting = nil
	c.doomCurrentLocked(proc.ReasonKilled)
	starting := c.starting
	if starting != nil {
		starting.cancel()
	}
	c.mu.Unlock()
	if starting != nil {
		<-starting.done
	}
	if i != nil {
		i.kill(proc.ReasonKilled)
		<-i.ended
	}
}

// doomCurrentLocked makes the run that there is end with its interpreter, which is about to be killed.
func (c *Context) doomCurrentLocked(reason string) {
	r := c.current
	if r == nil {
		return
	}
	if r.reason == "" {
		r.reason = reason
	}
	r.doomed = true
	r.ring.Release()
}

// isWanted says that runs wait in it.
func (c *Context) isWanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current != nil || len(c.waiting) > 0
}

// close asks its interpreter to end by itself.
func (c *Context) close() {
	c.mu.Lock()
	i := c.interp
	c.mu.Unlock()
	if i != nil {
		_ = i.requests.Close()
	}
}
