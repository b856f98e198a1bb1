package api

import (
	"net/http"
	"time"

	"k2sandbox.dev/agent/internal/ports"
)

const (
	maxPort            = 65535
	defaultPortTimeout = 30_000
	maxPortTimeout     = 600_000
)

func (s *server) listPorts(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	wait, err := q.number("wait", 0, 1, maxPort)
	if err != nil {
		return err
	}
	timeout, err := q.number("timeout_ms", defaultPortTimeout, 0, maxPortTimeout)
	if err != nil {
		return err
	}
	var answer struct {
		Ports []ports.Port `json:"ports"`
		Open  *bool        `json:"open,omitempty"`
	}
	if wait != 0 {
		open, err := ports.Wait(r.Context(), uint16(wait), time.Duration(timeout)*time.Millisecond)
		if err != nil {
			return err
		}
		answer.Open = &open
	}
	if answer.Ports, err = ports.List(); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}
