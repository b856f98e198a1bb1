package api

import (
	"net/http"

	"k2sandbox.dev/agent/internal/watch"
)

func (s *server) watch(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	recursive, err := q.flag("recursive", false)
	if err != nil {
		return err
	}
	watching, err := watch.Start(r.Context(), user, path, recursive)
	if err != nil {
		return err
	}
	defer watching.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	for {
		events := watching.Next(r.Context())
		if len(events) == 0 {
			return nil
		}
		for _, e := range events {
			if err := encode(w, e); err != nil {
				return nil // the client has gone
			}
		}
		if err := flush.Flush(); err != nil {
			return nil
		}
	}
}
