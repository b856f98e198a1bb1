package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/fault"
)

// WriteStdin copies body to standard input, each part as it comes, and returns when the pipe took all of it. It ends early, with what was
// written so far gone to the process, when ctx ends. Writers take turns.
func (p *Process) WriteStdin(ctx context.Context, body io.Reader, closeAfter bool) error {
	if closeAfter && p.terminal != nil {
		return fault.New(fault.InvalidRequest, "the input of a terminal has no end: write Ctrl-D (byte 4) where a line begins")
	}
	if p.stdin == nil {
		return fault.New(fault.StdinClosed, "process %q was started without a standard input", p.ID)
	}
	select {
	case p.stdinTurn <- struct{}{}:
		defer func() { <-p.stdinTurn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-p.done: // its pipe is closed
		return fault.New(fault.StdinClosed, "process %q has ended", p.ID)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = p.stdin.SetWriteDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	_, err := io.CopyBuffer(struct{ io.Writer }{p.stdin}, body, make([]byte, 32<<10))
	if !stop() {
		<-interrupted // else it could hit the next writer
		_ = p.stdin.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
	case errors.Is(err, syscall.EPIPE), errors.Is(err, os.ErrClosed):
		return fault.New(fault.StdinClosed, "process %q no longer reads its standard input", p.ID)
	case ctx.Err() != nil:
		return ctx.Err()
	case p.isFinished(): // body was cut for that
		return fault.New(fault.StdinClosed, "process %q has ended", p.ID)
	default:
		return fault.Of(err, "writing to the standard input of "+p.ID)
	}
	if closeAfter {
		_ = p.stdin.Close()
	}
	return nil
}
