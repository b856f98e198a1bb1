package jupyter

import "time"

// An interrupt that comes before the kernel is at the code may be lost on it, one that comes while it makes the traceback of the
// first may leave it without an answer. So it comes late rather than early, and a second time only when nothing has come of it.
const (
	interruptAfter = 100 * time.Millisecond
	interruptAgain = 1500 * time.Millisecond
)

// interrupter says when the interrupts of one run are due.
type interrupter struct {
	due   <-chan time.Time
	asked bool
	again bool // the next is the second
	since time.Time
}

// begun is told when the kernel has begun with the run.
func (i *interrupter) begun() {
	i.since = time.Now()
	if i.asked {
		i.due = time.After(interruptAfter)
	}
}

// ask is told when one is wanted.
func (i *interrupter) ask() {
	i.asked, i.again = true, false
	if !i.since.IsZero() {
		i.due = time.After(interruptAfter - time.Since(i.since))
	}
}

// sent is told of each that was sent.
func (i *interrupter) sent() {
	i.due = nil
	if !i.again {
		i.due, i.again = time.After(interruptAgain), true
	}
}
