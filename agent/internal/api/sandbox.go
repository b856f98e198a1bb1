package api

import (
	"net/http"
	"os"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
)

const protocol = 1

func (s *server) info(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]any{
		"version": s.version, "protocol": protocol, "boot_id": s.bootID, "started_at": s.startedAt.UnixMilli(),
		"pid": os.Getpid(), "processes": s.table.Running(),
	})
	return nil
}

func (s *server) prepare(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		User string `json:"user"`
		Cwd  string `json:"cwd"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	user, err := identity.Resolve(body.User)
	if err != nil {
		return err
	}
	created, accessible := false, true
	if body.Cwd != "" {
		if created, err = files.MakeCwd(user, body.Cwd); err != nil {
			return err
		}
		accessible = files.CanEnter(user, body.Cwd)
	}
	if created {
		identity.Forget()
		if user, err = identity.Resolve(body.User); err != nil {
			return err
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"uid": user.UID, "gid": user.GID, "name": user.Name, "home": user.Home, "shell": user.Shell,
		"cwd_created": created, "cwd_accessible": accessible,
	})
	return nil
}

const maxGraceMs = 600_000

func (s *server) shutdown(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		GraceMs int64 `json:"grace_ms"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if body.GraceMs < 0 || body.GraceMs > maxGraceMs {
		return fault.New(fault.InvalidRequest, "grace_ms: need 0 to %d", maxGraceMs)
	}
	s.contexts.Close()
	s.table.Shutdown(r.Context(), time.Duration(body.GraceMs)*time.Millisecond)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
