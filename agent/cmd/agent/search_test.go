package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

type globbed struct {
	Entries   []entry
	Truncated bool
	Skipped   int
}

func (g globbed) paths(dir string) (paths []string) {
	for _, e := range g.Entries {
		paths = append(paths, strings.TrimPrefix(e.Path, dir+"/"))
	}
	return paths
}

func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		must(t, os.MkdirAll(filepath.Dir(dir+"/"+name), 0o755))
		put(t, dir+"/"+name, content, 0o644)
	}
}

func globPattern(s string) string { return "pattern=" + url.PathEscape(s) }

func TestGlob(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	outside := home(t)
	tree(t, outside, map[string]string{"secret.go": ""})
	tree(t, dir, map[string]string{
		"a/x.go": "", "a-b/x.go": "", "a/sub/y.go": "", "z.go": "", "z.c": "", ".hid/x.go": "", "shut/x.go": "", "bad\xff/x.go": "",
	})
	must(t, os.Symlink(outside, dir+"/out"))
	must(t, os.Symlink("z.go", dir+"/link.go"))
	must(t, os.Chmod(dir+"/shut", 0o700)) // root's
	var g globbed
	a.want(200, "GET", file("/glob", dir, user, globPattern("**/*.go")), nil, &g)
	want := []string{"a-b/x.go", "a/sub/y.go", "a/x.go", "bad\ufffd/x.go", "link.go", "z.go"}
	if !slices.Equal(g.paths(dir), want) || g.Truncated || g.Skipped != 1 {
		t.Fatalf("%q %+v", g.paths(dir), g)
	}
	if e := g.Entries[3]; e.PathBase64 != base64.StdEncoding.EncodeToString([]byte(dir+"/bad\xff/x.go")) || e.NameBase64 != "" {
		t.Fatalf("%+v", e)
	}
	if e := g.Entries[4]; e.Type != "symlink" || e.Target != "z.go" || e.ETag == "" {
		t.Fatalf("%+v", e)
	}
	a.want(200, "GET", file("/glob", dir, user, globPattern("**/*.go"), "limit=2"), nil, &g)
	if !slices.Equal(g.paths(dir), want[:2]) || !g.Truncated {
		t.Fatalf("%q %+v", g.paths(dir), g)
	}
	a.want(200, "GET", file("/glob", dir, user, globPattern("**/*.go"), "limit=6"), nil, &g)
	if len(g.Entries) != 6 || g.Truncated {
		t.Fatalf("%+v", g)
	}
	a.want(200, "GET", file("/glob", dir, user, globPattern("**/x.go"), "hidden=1"), nil, &g)
	if got := g.paths(dir); !slices.Equal(got, []string{".hid/x.go", "a-b/x.go", "a/x.go", "bad\ufffd/x.go"}) {
		t.Fatalf("%q", got)
	}
	a.want(200, "GET", file("/glob", dir, user, globPattern("{a,z.*}")), nil, &g)
	if got := g.paths(dir); !slices.Equal(got, []string{"a", "z.c", "z.go"}) || g.Skipped != 0 {
		t.Fatalf("%q %+v", got, g)
	}
	a.want(200, "GET", file("/glob", dir, user, globPattern("none")), nil, &g)
	if g.Entries == nil || len(g.Entries) != 0 {
		t.Fatalf("%+v", g)
	}
	a.refused(400, "NOT_A_DIRECTORY", "GET", file("/glob", dir+"/z.go", user, globPattern("*")), nil)
	a.refused(404, "NOT_FOUND", "GET", file("/glob", dir+"/none", user, globPattern("*")), nil)
	a.refused(403, "PERMISSION_DENIED", "GET", file("/glob", "/root", user, globPattern("*")), nil)
	a.refused(400, "REFUSED", "GET", file("/glob", "/proc/self", "0", globPattern("*")), nil)
	a.refused(400, "INVALID_REQUEST", "GET", file("/glob", dir, user, globPattern("../*")), nil)
	a.refused(400, "INVALID_REQUEST", "GET", file("/glob", dir, user), nil)
}

type grepMatch struct {
	Path, Text    string
	PathBase64    string `json:"path_base64"`
	TextBase64    string `json:"text_base64"`
	Line, Column  int
	TextTruncated bool `json:"text_truncated"`
	Before, After []string
}

type grepped struct {
	Matches   []grepMatch
	Truncated bool
	Searched  int `json:"files_searched"`
	Skipped   int `json:"files_skipped"`
}

func (a *agent) grep(query spec) grepped {
	a.t.Helper()
	var g grepped
	a.want(200, "POST", "/v1/files/grep", query, &g)
	return g
}

func (g grepped) places(dir string) (places []string) {
	for _, m := range g.Matches {
		places = append(places, fmt.Sprintf("%s:%d:%d", strings.TrimPrefix(m.Path, dir+"/"), m.Line, m.Column))
	}
	return places
}

func TestGrepFindsLines(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	tree(t, dir, map[string]string{
		"a.txt": "one\r\ntwo fish\nthree\nred fish, blue fish", "sub/b.go": "// Fish\n", ".hid/c.txt": "fish", "bin": "\x00fish",
		"node_modules/d.txt": "fish", "bad\xff": "a \xff fish", "secret": "fish", "dots": "f.sh\nfish",
	})
	must(t, os.Chmod(dir+"/secret", 0o600)) // root's
	must(t, os.Symlink("a.txt", dir+"/link"))
	must(t, syscall.Mkfifo(dir+"/fifo", 0o666))
	query := func(more spec) spec {
		s := spec{"path": dir, "user": user, "pattern": "f[i.]sh", "exclude": []string{"node_modules"}}
		for k, v := range more {
			s[k] = v
		}
		return s
	}
	g := a.grep(query(nil))
	if got, want := g.places(dir), []string{"a.txt:2:5", "a.txt:4:5", "bad\ufffd:1:5", "dots:1:1", "dots:2:1"}; !slices.Equal(got, want) || g.Searched != 4 || g.Skipped != 2 || g.Truncated {
		t.Fatalf("%q %+v", got, g)
	}
	if m := g.Matches[0]; m.Text != "two fish" || m.TextTruncated || m.Before != nil {
		t.Fatalf("%+v", m)
	}
	if m := g.Matches[2]; m.Text != "a \ufffd fish" || m.TextBase64 != base64.StdEncoding.EncodeToString([]byte("a \xff fish")) || m.PathBase64 == "" {
		t.Fatalf("%+v", m)
	}
	for name, c := range map[string]struct {
		more spec
		want []string
	}{
		"literal":           {spec{"pattern": "f.sh", "literal": true}, []string{"dots:1:1"}},
		"ignore_case":       {spec{"pattern": "FISH", "ignore_case": true, "include": []string{"*.go"}}, []string{"sub/b.go:1:4"}},
		"include a path":    {spec{"include": []string{"s*/*"}, "pattern": "F"}, []string{"sub/b.go:1:4"}},
		"hidden":            {spec{"hidden": true, "include": []string{"c.txt"}}, []string{".hid/c.txt:1:1"}},
		"anchors":           {spec{"pattern": "^fish$"}, []string{"dots:2:1"}},
		"carriage return":   {spec{"pattern": "one$"}, []string{"a.txt:1:1"}},
		"a file":            {spec{"path": dir + "/dots"}, []string{"dots:1:1", "dots:2:1"}},
		"nothing":           {spec{"pattern": "whale"}, nil},
		"empty matches too": {spec{"pattern": "x*", "include": []string{"dots"}}, []string{"dots:1:1", "dots:2:1"}},
	} {
		if g := a.grep(query(c.more)); !slices.Equal(g.places(dir), c.want) {
			t.Errorf("%s: %q", name, g.places(dir))
		}
	}
	if g := a.grep(query(spec{"path": dir + "/link"})); len(g.Matches) != 2 {
		t.Fatalf("path itself is followed: %+v", g)
	}
	if g := a.grep(query(spec{"limit": 2})); len(g.Matches) != 2 || !g.Truncated {
		t.Fatalf("%+v", g)
	}
	g = a.grep(query(spec{"path": dir + "/a.txt", "context": 1}))
	if m := g.Matches; len(m) != 2 || !slices.Equal(m[0].Before, []string{"one"}) || !slices.Equal(m[0].After, []string{"three"}) || !slices.Equal(m[1].Before, []string{"three"}) || len(m[1].After) != 0 {
		t.Fatalf("%+v", g)
	}
	for _, bad := range []spec{{"pattern": "("}, {"pattern": ""}, {"pattern": "a\nb"}, {"limit": 0}, {"limit": 10_001}, {"context": 21}, {"include": []string{"../x"}}} {
		a.refused(400, "INVALID_REQUEST", "POST", "/v1/files/grep", query(bad))
	}
	a.refused(403, "PERMISSION_DENIED", "POST", "/v1/files/grep", query(spec{"path": dir + "/secret"}))
	a.refused(400, "NOT_A_REGULAR_FILE", "POST", "/v1/files/grep", query(spec{"path": dir + "/fifo"}))
	a.refused(400, "REFUSED", "POST", "/v1/files/grep", query(spec{"path": "/proc/self/environ", "user": "0"}))
}

func TestGrepBoundsLinesFilesAndItsAnswer(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	long := strings.Repeat("x", 3<<20)
	tree(t, dir, map[string]string{
		"long": long + "needle" + long + "\nneedle\n",
		"many": strings.Repeat("needle "+strings.Repeat("\x01", 990)+"\n", 5_000), // six bytes each as JSON
	})
	put(t, dir+"/huge", "needle", 0o644)
	must(t, os.Truncate(dir+"/huge", 65<<20))
	query := spec{"path": dir + "/long", "user": user, "pattern": "needle", "limit": 10_000}
	g := a.grep(query)
	if len(g.Matches) != 2 || g.Matches[0].Column != len(long)+1 || g.Matches[0].Line != 1 || g.Matches[1].Line != 2 || g.Matches[1].Column != 1 {
		t.Fatalf("%q", g.places(dir))
	}
	if m := g.Matches[0]; len(m.Text) != 1000 || !m.TextTruncated || !strings.Contains(m.Text, "needle") {
		t.Fatalf("%d bytes", len(m.Text))
	}
	resp, data := a.do("POST", "/v1/files/grep", query.with("path", dir+"/many"))
	if resp.StatusCode != 200 || len(data) > 8<<20+20_000 || len(data) < 7<<20 {
		t.Fatalf("%d, %d bytes", resp.StatusCode, len(data))
	}
	var many grepped
	decode(t, data, &many)
	if !many.Truncated || len(many.Matches) < 1_000 {
		t.Fatalf("%d matches", len(many.Matches))
	}
	if g := a.grep(query.with("path", dir).with("include", []string{"huge"})); g.Skipped != 1 || g.Searched != 0 {
		t.Fatalf("%+v", g)
	}
}
