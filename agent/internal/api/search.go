package api

import (
	"net/http"

	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/search"
)

func (s *server) glob(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	limit, err := q.number("limit", files.DefaultList, 1, files.MaxList)
	if err != nil {
		return err
	}
	hidden, err := q.flag("hidden", false)
	if err != nil {
		return err
	}
	pattern, err := search.ParsePattern(q["pattern"], hidden)
	if err != nil {
		return err
	}
	found, err := search.Glob(r.Context(), user, path, pattern, int(limit))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, found)
	return nil
}

func (s *server) grep(w http.ResponseWriter, r *http.Request) error {
	body := struct {
		Path string `json:"path"`
		User string `json:"user"`
		search.Query
	}{Query: search.Query{Limit: search.DefaultMatches}}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	user, err := identity.Resolve(body.User)
	if err != nil {
		return err
	}
	found, err := search.Grep(r.Context(), user, body.Path, body.Query)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, found)
	return nil
}
