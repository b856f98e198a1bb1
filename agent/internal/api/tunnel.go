package api

import (
	"net/http"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/tunnel"
)

// tunnel joins the request's body and the answer's to a port in the sandbox.
func (s *server) tunnel(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	port, err := q.number("port", 0, 1, maxPort)
	if err != nil {
		return err
	}
	if port == 0 {
		return fault.New(fault.InvalidRequest, "query parameter port: need 1 to %d", maxPort)
	}
	release, err := s.tunnels.Take()
	if err != nil {
		return err
	}
	defer release()
	conn, err := tunnel.Dial(r.Context(), uint16(port))
	if err != nil {
		return err
	}
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	_ = control.Flush() // fails where the client has gone, and so does all that follows
	err = tunnel.Join(r.Context(), conn, tunnel.Stream{
		Body: r.Body,
		Write: func(b []byte) error {
			if _, err := w.Write(b); err != nil {
				return err
			}
			return control.Flush()
		},
		Stop: func() { _ = control.SetReadDeadline(time.Unix(1, 0)) },
	})
	if err != nil {
		panic(http.ErrAbortHandler) // resets the stream: the answer must not look complete
	}
	return nil
}
