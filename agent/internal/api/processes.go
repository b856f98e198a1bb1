package api

import (
	"net/http"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/output"
	"k2sandbox.dev/agent/internal/proc"
)

// execution is a process, or a run in a context: to these routes they are the same.
type execution interface {
	Status() proc.Status
	Follow(offset int64, withTime bool) (*output.Follower, bool)
	Kill(reason string) proc.Killed
	Done() <-chan struct{}
}

// execution finds either, or fails with PROCESS_NOT_FOUND.
func (s *server) execution(id string) (execution, error) {
	if run := s.contexts.Run(id); run != nil {
		return run, nil
	}
	return s.table.Get(id)
}

// process finds a process; a run in a context is none, and says so.
func (s *server) process(id string) (*proc.Process, error) {
	if s.contexts.Run(id) != nil {
		return nil, fault.New(fault.InvalidRequest, "%q is a run in a context: it has no standard input and gets no signals; interrupt its context, or kill it", id)
	}
	return s.table.Get(id)
}

func (s *server) startProcess(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		proc.Spec
		Follow bool `json:"follow"`
		Time   bool `json:"time"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if s.contexts.Run(body.ID) != nil {
		return fault.New(fault.ProcessExists, "process %q exists already", body.ID)
	}
	p, err := s.table.Start(r.Context(), body.Spec)
	if err != nil {
		return err
	}
	if !body.Follow {
		writeJSON(w, http.StatusCreated, p.Status())
		return nil
	}
	follower, _ := p.Follow(0, body.Time)
	return stream(w, r, p, follower, true, startHold)
}

func (s *server) listProcesses(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]any{"processes": append(s.table.List(), s.contexts.Runs()...)})
	return nil
}

func (s *server) getProcess(w http.ResponseWriter, r *http.Request) error {
	p, err := s.execution(r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, p.Status())
	return nil
}

const maxWaitMs = 600_000

// waitProcess answers when it has ended, or with how it stands after the time.
func (s *server) waitProcess(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	timeoutMs, err := q.number("timeout_ms", maxWaitMs, 0, maxWaitMs)
	if err != nil {
		return err
	}
	p, err := s.execution(r.PathValue("id"))
	if err != nil {
		return err
	}
	timer := time.NewTimer(time.Duration(timeoutMs) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
	case <-r.Context().Done():
		return nil
	}
	writeJSON(w, http.StatusOK, p.Status())
	return nil
}

func (s *server) deleteProcess(w http.ResponseWriter, r *http.Request) error {
	if run := s.contexts.Run(r.PathValue("id")); run != nil {
		s.contexts.RemoveRun(run)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	p, err := s.table.Get(r.PathValue("id"))
	if err != nil {
		return err
	}
	s.table.Remove(p)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) stdin(w http.ResponseWriter, r *http.Request) error {
	p, err := s.process(r.PathValue("id"))
	if err != nil {
		return err
	}
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	closeAfter, err := q.flag("close", false)
	if err != nil {
		return err
	}
	written, watched := make(chan struct{}), make(chan struct{})
	go func() { // a body that is sent as it comes about may be silent while the process ends
		defer close(watched)
		select {
		case <-p.Done():
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		case <-written:
		}
	}()
	err = p.WriteStdin(r.Context(), r.Body, closeAfter)
	close(written)
	<-watched
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) resize(w http.ResponseWriter, r *http.Request) error {
	var size proc.Size
	if err := readJSON(r, &size); err != nil {
		return err
	}
	p, err := s.process(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := p.Resize(size); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) signal(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Signal string `json:"signal"`
		Scope  string `json:"scope"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	sig, ok := proc.ParseSignal(body.Signal)
	if !ok {
		return fault.New(fault.InvalidRequest, "signal: %q is not known", body.Signal)
	}
	if body.Scope != "" && body.Scope != "group" && body.Scope != "process" {
		return fault.New(fault.InvalidRequest, "scope: need \"group\" or \"process\"")
	}
	p, err := s.process(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := p.Signal(sig, body.Scope != "process"); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) kill(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Reason string `json:"reason"`
	}
	if r.ContentLength != 0 {
		if err := readJSON(r, &body); err != nil {
			return err
		}
	}
	switch body.Reason {
	case "":
		body.Reason = proc.ReasonKilled
	case proc.ReasonKilled, proc.ReasonTimeout:
	default:
		return fault.New(fault.InvalidRequest, "reason: need \"killed\" or \"timeout\"")
	}
	p, err := s.execution(r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, p.Kill(body.Reason))
	return nil
}
