// Package api is the agent's HTTP surface (README.md): one file a resource; errors become status, code and message here.
package api

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"k2sandbox.dev/agent/internal/egress"
	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/kernel"
	"k2sandbox.dev/agent/internal/proc"
	"k2sandbox.dev/agent/internal/tunnel"
)

// maxJSON bounds a JSON body.
const maxJSON = 16 << 20

type server struct {
	table     *proc.Table
	contexts  *kernel.Table
	tunnels   tunnel.Slots
	door      *egress.Door
	version   string
	bootID    string
	startedAt time.Time
}

type handler func(w http.ResponseWriter, r *http.Request) error

// New returns the routes over the table.
func New(table *proc.Table, version string) http.Handler {
	var boot [16]byte
	_, _ = rand.Read(boot[:]) // never fails (crypto/rand)
	s := &server{table, kernel.NewTable(table), tunnel.NewSlots(), &egress.Door{}, version, hex.EncodeToString(boot[:]), time.Now()}
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /v1/info":                     s.info,
		"POST /v1/prepare":                 s.prepare,
		"POST /v1/shutdown":                s.shutdown,
		"POST /v1/processes":               s.startProcess,
		"GET /v1/processes":                s.listProcesses,
		"GET /v1/processes/{id}":           s.getProcess,
		"DELETE /v1/processes/{id}":        s.deleteProcess,
		"GET /v1/processes/{id}/wait":      s.waitProcess,
		"GET /v1/processes/{id}/output":    s.output,
		"POST /v1/processes/{id}/stdin":    s.stdin,
		"POST /v1/processes/{id}/resize":   s.resize,
		"POST /v1/processes/{id}/signal":   s.signal,
		"POST /v1/processes/{id}/kill":     s.kill,
		"POST /v1/contexts":                s.createContext,
		"GET /v1/contexts":                 s.listContexts,
		"GET /v1/contexts/{id}":            s.getContext,
		"DELETE /v1/contexts/{id}":         s.deleteContext,
		"POST /v1/contexts/{id}/restart":   s.restartContext,
		"POST /v1/contexts/{id}/interrupt": s.interruptContext,
		"POST /v1/contexts/{id}/run":       s.startRun,
		"GET /v1/ports":                    s.listPorts,
		"POST /v1/tunnel":                  s.tunnel,
		"POST /v1/egress/accept":           s.acceptEgress,
		"GET /v1/files/stat":               s.statFile,
		"GET /v1/files/list":               s.listFiles,
		"GET /v1/files/content":            s.readFile,
		"PUT /v1/files/content":            s.writeFile,
		"POST /v1/files/mkdir":             s.mkdir,
		"POST /v1/files/move":              s.move,
		"POST /v1/files/copy":              s.copyFile,
		"POST /v1/files/attributes":        s.setAttributes,
		"GET /v1/files/digest":             s.digest,
		"GET /v1/files/glob":               s.glob,
		"POST /v1/files/grep":              s.grep,
		"GET /v1/files/watch":              s.watch,
		"DELETE /v1/files":                 s.deleteFile,
		"GET /v1/files/archive":            s.readArchive,
		"PUT /v1/files/archive":            s.writeArchive,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				fail(w, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, fault.New(fault.InvalidRequest, "no route %s %q", r.Method, r.URL.Path))
	})
	return mux
}

var statuses = map[fault.Code]int{
	fault.InvalidRequest: 400, fault.NotFound: 404, fault.NotADirectory: 400, fault.IsADirectory: 400,
	fault.NotARegularFile: 400, fault.PermissionDenied: 403, fault.AlreadyExists: 409, fault.Refused: 400,
	fault.PreconditionFailed: 412, fault.WatchLimit: 503,
	fault.ArchiveUnsafe: 400, fault.TooLarge: 413, fault.RangeNotSatisfiable: 416, fault.NoSpace: 507,
	fault.ReadOnly: 403, fault.UserNotFound: 400, fault.CwdNotFound: 400, fault.CwdNotADirectory: 400,
	fault.CwdNotAccessible: 400, fault.CommandNotFound: 400, fault.CommandNotExecutable: 400,
	fault.ProcessNotFound: 404, fault.ProcessExists: 409, fault.StdinClosed: 409, fault.TooManyProcesses: 503,
	fault.ContextNotFound: 404, fault.ContextExists: 409, fault.TooManyContexts: 503, fault.LanguageNotFound: 400,
	fault.TerminalUnavailable: 503, fault.PortNotOpen: 502, fault.TooManyTunnels: 503, fault.ShuttingDown: 503, fault.Internal: 500,
}

func fail(w http.ResponseWriter, err error) {
	f := fault.Of(err, "request")
	writeJSON(w, statuses[f.Code], struct {
		Code    fault.Code `json:"code"`
		Message string     `json:"message"`
	}{f.Code, f.Message})
}

// encode writes paths as they are: "<" needs no escape outside HTML.
func encode(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = encode(w, value) // fails only when the client has gone
}

func readJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxJSON))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.TooLarge, "the body has more than %d bytes", maxJSON)
	}
	if err != nil {
		return fault.New(fault.InvalidRequest, "the body ended early: %v", err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.New(fault.InvalidRequest, "body: %v", err)
	}
	return nil
}

// query holds the parameters of one request. Values are bytes, "+" is a plus sign.
type query map[string]string

func readQuery(r *http.Request) (query, error) {
	q := query{}
	for rest := r.URL.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = cut(rest, '&')
		name, raw, _ := cut(pair, '=')
		value, err := url.PathUnescape(raw) // unlike QueryUnescape leaves "+" alone
		if err != nil {
			return nil, fault.New(fault.InvalidRequest, "query parameter %s: %v", name, err)
		}
		q[name] = value
	}
	return q, nil
}

func cut(s string, sep byte) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// flag reads 0 or 1.
func (q query) flag(name string, fallback bool) (bool, error) {
	switch q[name] {
	case "":
		return fallback, nil
	case "0":
		return false, nil
	case "1":
		return true, nil
	}
	return false, fault.New(fault.InvalidRequest, "query parameter %s: need 0 or 1", name)
}

func (q query) number(name string, fallback, low, high int64) (int64, error) {
	text, ok := q[name]
	if !ok {
		return fallback, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, fault.New(fault.InvalidRequest, "query parameter %s: need %d to %d", name, low, high)
	}
	return n, nil
}

// mode reads octal permission bits; -1 when absent.
func (q query) mode() (int, error) {
	text, ok := q["mode"]
	if !ok {
		return -1, nil
	}
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fault.New(fault.InvalidRequest, "query parameter mode: need 0 to 7777, octal")
	}
	return int(n), nil
}

// condition reads if_match and if_none_match: an etag or "*".
func (q query) condition() (files.Condition, error) {
	for _, name := range []string{"if_match", "if_none_match"} {
		value, ok := q[name]
		if ok && value != "*" && !isETag(value) {
			return files.Condition{}, fault.New(fault.InvalidRequest, "query parameter %s: need an etag without quotes, or *", name)
		}
	}
	return files.Condition{IfMatch: q["if_match"], IfNoneMatch: q["if_none_match"]}, nil
}

func isETag(s string) bool {
	ok := len(s) > 0 && len(s) <= 128
	for _, c := range []byte(s) {
		ok = ok && (c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	return ok
}

// target reads path and user, which every file route has.
func target(r *http.Request) (query, *identity.User, string, error) {
	q, err := readQuery(r)
	if err != nil {
		return nil, nil, "", err
	}
	user, err := identity.Resolve(q["user"])
	return q, user, q["path"], err
}
