package api

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"net/http"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
)

func (s *server) copyFile(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		From      string `json:"from"`
		To        string `json:"to"`
		User      string `json:"user"`
		Overwrite bool   `json:"overwrite"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	user, err := identity.Resolve(body.User)
	if err != nil {
		return err
	}
	entry, err := files.Copy(r.Context(), user, body.From, body.To, body.Overwrite)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, entry)
	return nil
}

func (s *server) setAttributes(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Path      string  `json:"path"`
		User      string  `json:"user"`
		Mode      *uint32 `json:"mode"`
		Owner     *string `json:"owner"`
		Mtime     *int64  `json:"mtime"`
		Recursive bool    `json:"recursive"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if body.Mode != nil && *body.Mode > 0o7777 {
		return fault.New(fault.InvalidRequest, "mode: need 0 to 4095 (octal 7777)")
	}
	user, err := identity.Resolve(body.User)
	if err != nil {
		return err
	}
	to := files.Attributes{Mode: body.Mode, Mtime: body.Mtime, Owner: identity.KeepOwner}
	if body.Owner != nil {
		if to.Owner, err = identity.ResolveOwner(*body.Owner); err != nil {
			return err
		}
	}
	entry, err := files.SetAttributes(r.Context(), user, body.Path, to, body.Recursive)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, entry)
	return nil
}

func (s *server) digest(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	algorithm := q["algorithm"]
	var h hash.Hash
	switch algorithm {
	case "sha256":
		h = sha256.New()
	case "sha512":
		h = sha512.New()
	default:
		return fault.New(fault.InvalidRequest, "query parameter algorithm: need sha256 or sha512")
	}
	digest, err := files.HashContent(r.Context(), user, path, algorithm, h)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, digest)
	return nil
}
