package search

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"path"
	"regexp"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
)

// Limits of a search in contents.
const (
	DefaultMatches = 1_000
	MaxMatches     = 10_000
	MaxContext     = 20
	maxFile        = 64 << 20
	maxAnswer      = 8 << 20
	maxRegexp      = 16 << 10
	maxGlobs       = 64
)

// Query says what to look for: a regular expression (RE2, in linear time) or with Literal the text itself, in files that
// Include matches (no Include: all) and Exclude does not. A glob without "/" is matched with names, else with paths.
type Query struct {
	Pattern    string   `json:"pattern"`
	Literal    bool     `json:"literal"`
	IgnoreCase bool     `json:"ignore_case"`
	Include    []string `json:"include"`
	Exclude    []string `json:"exclude"`
	Hidden     bool     `json:"hidden"`
	Limit      int      `json:"limit"`
	Context    int      `json:"context"` // lines before and after each match
}

// Match is the first match in one line. Column counts bytes, both begin at 1; Before and After are the lines around it.
type Match struct {
	Path          string   `json:"path"`
	PathBase64    string   `json:"path_base64,omitempty"`
	Line          int      `json:"line"`
	Column        int      `json:"column"`
	Text          string   `json:"text"`
	TextBase64    string   `json:"text_base64,omitempty"`
	TextTruncated bool     `json:"text_truncated"`
	Before        []string `json:"before,omitempty"`
	After         []string `json:"after,omitempty"`
}

// GrepResult has its matches in the order of paths and lines. Skipped are binary and too large files, and what could not
// be read.
type GrepResult struct {
	Matches   []json.RawMessage `json:"matches"`
	Truncated bool              `json:"truncated"`
	Searched  int               `json:"files_searched"`
	Skipped   int               `json:"files_skipped"`
}

type grep struct {
	ctx              context.Context
	user             *identity.User
	query            Query
	expression       *regexp.Regexp
	prefix           []byte // each match begins with it
	include, exclude []*Pattern
	reader           *bufio.Reader // of the file at hand
	found            GrepResult
	bytes            int // of the matches as JSON
}

// Grep searches in the file path, or in all files below the folder path.
func Grep(ctx context.Context, user *identity.User, path string, query Query) (GrepResult, error) {
	g := &grep{ctx: ctx, user: user, query: query, reader: bufio.NewReaderSize(nil, readSize), found: GrepResult{Matches: []json.RawMessage{}}}
	if err := g.prepare(); err != nil {
		return GrepResult{}, err
	}
	walk := &files.Walk{Context: ctx, User: user, Enter: g.enter, Visit: g.visit}
	err := walk.Run(path, true)
	g.found.Truncated = walk.Truncated
	g.found.Skipped += walk.Skipped
	return g.found, err
}

func (g *grep) prepare() (err error) {
	q := &g.query
	if q.Pattern == "" || len(q.Pattern) > maxRegexp || strings.ContainsAny(q.Pattern, "\n\x00") {
		return fault.New(fault.InvalidRequest, "pattern: need 1 to %d bytes without line ends and NUL", maxRegexp)
	}
	if q.Limit < 1 || q.Limit > MaxMatches {
		return fault.New(fault.InvalidRequest, "limit: need 1 to %d", MaxMatches)
	}
	if q.Context < 0 || q.Context > MaxContext {
		return fault.New(fault.InvalidRequest, "context: need 0 to %d", MaxContext)
	}
	expression := q.Pattern
	if q.Literal {
		expression = regexp.QuoteMeta(expression)
	}
	if q.IgnoreCase {
		expression = "(?i:" + expression + ")"
	}
	if g.expression, err = regexp.Compile(expression); err != nil {
		return fault.New(fault.InvalidRequest, "pattern: %v", err)
	}
	prefix, _ := g.expression.LiteralPrefix()
	g.prefix = []byte(prefix)
	if g.include, err = parseAll(q.Include); err != nil {
		return err
	}
	g.exclude, err = parseAll(q.Exclude)
	return err
}

func parseAll(texts []string) (patterns []*Pattern, err error) {
	if len(texts) > maxGlobs {
		return nil, fault.New(fault.InvalidRequest, "include, exclude: need at most %d patterns each", maxGlobs)
	}
	for _, text := range texts {
		if !strings.Contains(text, "/") {
			text = "**/" + text
		}
		p, err := ParsePattern(text, true)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

func matchAny(patterns []*Pattern, rel string) bool {
	for _, p := range patterns {
		if p.Match(rel) {
			return true
		}
	}
	return false
}

func (g *grep) enter(rel string) bool {
	return (g.query.Hidden || path.Base(rel)[0] != '.') && !matchAny(g.exclude, rel)
}

func (g *grep) visit(f files.Found) error {
	rel := f.Rel
	if rel == "" { // path itself is the file
		rel = path.Base(f.Full)
	} else if !g.query.Hidden && path.Base(rel)[0] == '.' {
		return nil
	}
	if f.Type != syscall.S_IFREG || len(g.include) > 0 && !matchAny(g.include, rel) || matchAny(g.exclude, rel) {
		return nil
	}
	return g.file(f)
}

// add counts a finished match; it fails with ErrEnough when there is no room for it.
func (g *grep) add(m *Match) error {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return err
	}
	if len(g.found.Matches) == g.query.Limit || g.bytes+out.Len() > maxAnswer {
		return files.ErrEnough
	}
	g.bytes += out.Len()
	g.found.Matches = append(g.found.Matches, json.RawMessage(out.Bytes()))
	return nil
}
