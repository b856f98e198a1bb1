package api

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
)

func (s *server) statFile(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	follow, err := q.flag("follow", true)
	if err != nil {
		return err
	}
	entry, err := files.Stat(user, path, follow)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, entry)
	return nil
}

func (s *server) listFiles(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	limit, err := q.number("limit", files.DefaultList, 1, files.MaxList)
	if err != nil {
		return err
	}
	entries, truncated, err := files.List(user, path, int(limit))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"entries": entries, "truncated": truncated})
	return nil
}

func (s *server) readFile(w http.ResponseWriter, r *http.Request) error {
	_, user, path, err := target(r)
	if err != nil {
		return err
	}
	content, err := files.OpenContent(user, path)
	if err != nil {
		return err
	}
	defer content.Close()
	h := w.Header()
	h.Set("K2-File-Size", strconv.FormatInt(content.Size, 10))
	h.Set("K2-File-Etag", content.ETag)
	h.Set("K2-File-Mtime", strconv.FormatInt(content.Mtime, 10))
	h.Set("K2-File-Mode", fmt.Sprintf("%04o", content.Mode))
	offset, length, status := int64(0), content.Size, http.StatusOK
	if wanted := r.Header.Get("Range"); wanted != "" {
		offset, length, err = files.ParseRange(wanted, content.Size)
		if err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", content.Size))
			return err
		}
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, content.Size))
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(status)
	if err := content.CopyTo(w, offset, length); err != nil {
		panic(http.ErrAbortHandler) // the stream is reset: never a short body that looks whole
	}
	return nil
}

func (s *server) writeFile(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	mode, err := q.mode()
	if err != nil {
		return err
	}
	condition, err := q.condition()
	if err != nil {
		return err
	}
	owner := identity.KeepOwner
	if spec, ok := q["owner"]; ok {
		if owner, err = identity.ResolveOwner(spec); err != nil {
			return err
		}
	}
	entry, err := files.Write(user, path, files.WriteOptions{Mode: mode, Owner: owner, Condition: condition}, r.Body)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, entry)
	return nil
}

func (s *server) mkdir(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Path    string  `json:"path"`
		User    string  `json:"user"`
		Mode    *uint32 `json:"mode"`
		Parents bool    `json:"parents"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	mode := uint32(0o755)
	if body.Mode != nil {
		mode = *body.Mode
	}
	if mode > 0o7777 {
		return fault.New(fault.InvalidRequest, "mode: need 0 to 4095 (octal 7777)")
	}
	user, err := identity.Resolve(body.User)
	if err != nil {
		return err
	}
	entry, err := files.Mkdir(user, body.Path, mode, body.Parents)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, entry)
	return nil
}

func (s *server) move(w http.ResponseWriter, r *http.Request) error {
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
	entry, err := files.Move(user, body.From, body.To, body.Overwrite)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, entry)
	return nil
}

func (s *server) deleteFile(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	recursive, err := q.flag("recursive", false)
	if err != nil {
		return err
	}
	condition, err := q.condition()
	if err != nil {
		return err
	}
	if condition.IfNoneMatch != "" {
		return fault.New(fault.InvalidRequest, "query parameter if_none_match: not of DELETE")
	}
	if err := files.Delete(user, path, recursive, condition); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) readArchive(w http.ResponseWriter, r *http.Request) error {
	_, user, path, err := target(r)
	if err != nil {
		return err
	}
	archive, err := files.OpenArchive(user, path)
	if err != nil {
		return err
	}
	defer archive.Close()
	w.Header().Set("Content-Type", "application/x-tar")
	if err := archive.Pack(w); err != nil {
		panic(http.ErrAbortHandler) // the stream is reset: a cut tar must not look whole
	}
	return nil
}

func (s *server) writeArchive(w http.ResponseWriter, r *http.Request) error {
	q, user, path, err := target(r)
	if err != nil {
		return err
	}
	maxBytes, err := q.number("max_bytes", files.DefaultMaxBytes, 0, 1<<50)
	if err != nil {
		return err
	}
	done, err := files.Unpack(user, path, r.Body, maxBytes)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, r.Body) // padding after the tar's end
	writeJSON(w, http.StatusOK, done)
	return nil
}
