package api

import (
	"net/http"

	"k2sandbox.dev/agent/internal/kernel"
)

func (s *server) createContext(w http.ResponseWriter, r *http.Request) error {
	var spec kernel.Spec
	if err := readJSON(r, &spec); err != nil {
		return err
	}
	c, err := s.contexts.Create(r.Context(), spec)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, c.Info())
	return nil
}

func (s *server) listContexts(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]any{"contexts": s.contexts.Contexts()})
	return nil
}

func (s *server) getContext(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contexts.Context(r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, c.Info())
	return nil
}

func (s *server) deleteContext(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contexts.Context(r.PathValue("id"))
	if err != nil {
		return err
	}
	s.contexts.Remove(c)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) restartContext(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contexts.Context(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := c.Restart(r.Context()); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, c.Info())
	return nil
}

func (s *server) interruptContext(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contexts.Context(r.PathValue("id"))
	if err != nil {
		return err
	}
	c.Interrupt()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) startRun(w http.ResponseWriter, r *http.Request) error {
	c, err := s.contexts.Context(r.PathValue("id"))
	if err != nil {
		return err
	}
	var spec kernel.RunSpec
	if err := readJSON(r, &spec); err != nil {
		return err
	}
	run, err := c.Run(spec)
	if err != nil {
		return err
	}
	if follower := run.First(); follower != nil {
		return stream(w, r, run, follower, true, startHold)
	}
	writeJSON(w, http.StatusCreated, run.Status())
	return nil
}
