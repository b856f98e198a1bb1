package api

import (
	"context"
	"net"
	"net/http"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/tunnel"
)

// tunnel joins the request's body and the answer's to a port in the sandbox.
func (s *server) tunnel(w http.ResponseWriter, r *http.Request) error {
	port, err := portOf(r)
	if err != nil {
		return err
	}
	release, err := s.tunnels.Take()
	if err != nil {
		return err
	}
	defer release()
	conn, err := tunnel.Dial(r.Context(), port)
	if err != nil {
		return err
	}
	join(w, r, conn)
	return nil
}

// acceptEgress joins them to the next connection that a program opens to the way out; the answer begins with it.
func (s *server) acceptEgress(w http.ResponseWriter, r *http.Request) error {
	port, err := portOf(r)
	if err != nil {
		return err
	}
	conn, err := s.door.Accept(r.Context(), port)
	if err != nil {
		return err
	}
	if r.Context().Err() != nil { // the server left as it came
		_ = conn.Close()
		return context.Cause(r.Context())
	}
	join(w, r, conn)
	return nil
}

func portOf(r *http.Request) (uint16, error) {
	q, err := readQuery(r)
	if err != nil {
		return 0, err
	}
	port, err := q.number("port", 0, 1, maxPort)
	if err != nil {
		return 0, err
	}
	if port == 0 {
		return 0, fault.New(fault.InvalidRequest, "query parameter port: need 1 to %d", maxPort)
	}
	return uint16(port), nil
}

// join answers and copies until the connection has ended.
func join(w http.ResponseWriter, r *http.Request, conn *net.TCPConn) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	_ = control.Flush() // fails where the client has gone, and so does all that follows
	err := tunnel.Join(r.Context(), conn, tunnel.Stream{
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
}
