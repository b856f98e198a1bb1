package search

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k2sandbox.dev/agent/internal/fault"
)

func TestPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"*.go", []string{"a.go", "a\xff.go"}, []string{"a.goo", "d/a.go", ".go", ".a.go"}},
		{"**/*.go", []string{"a.go", "d/a.go", "d/e/a.go"}, []string{".d/a.go", "d/.a.go", "d/a.c"}},
		{"d/**", []string{"d/a", "d/e/f"}, []string{"d", "e/a", "d/.a"}},
		{"**", []string{"a", "a/b"}, []string{".a", "a/.b"}},
		{"a/**/b", []string{"a/b", "a/x/b", "a/x/y/b"}, []string{"a", "b", "a/x"}},
		{"?", []string{"a", "é", "\xff"}, []string{"", "ab", ".", "/"}},
		{"[a-c]x", []string{"ax", "cx"}, []string{"dx", "-x"}},
		{"[!a-c]x", []string{"dx", "éx"}, []string{"ax", "x"}},
		{"[]x]", []string{"]", "x"}, []string{"["}},
		{"[a", []string{"[a"}, []string{"a"}},
		{"{a,b/{c,d}}", []string{"a", "b/c", "b/d"}, []string{"b", "c", "{a,b"}},
		{"{a}", []string{"{a}"}, []string{"a"}},
		{`\*`, []string{"*"}, []string{"a", `\*`}},
		{`\{a,b}`, []string{"{a,b}"}, []string{"a"}},
		{".*", []string{".a"}, []string{"a"}},
		{"./a//b", []string{"a/b"}, []string{"a"}},
		{"a*b*c", []string{"abc", "axbxbxc"}, []string{"ab", "acb"}},
	} {
		p, err := ParsePattern(c.pattern, false)
		if err != nil {
			t.Fatal(c.pattern, err)
		}
		for _, path := range c.yes {
			if !p.Match(path) {
				t.Errorf("%q does not match %q", c.pattern, path)
			}
		}
		for _, path := range c.no {
			if p.Match(path) {
				t.Errorf("%q matches %q", c.pattern, path)
			}
		}
	}
}

func TestPatternKnowsWhereItCanMatch(t *testing.T) {
	p, err := ParsePattern("{src/**/*.go,doc/*}", false)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"src": true, "src/a/b": true, "doc": true, "doc/a": false, "node_modules": false, "src/.git": false} {
		if p.Below(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func TestHostilePatternsAreRefusedOrQuick(t *testing.T) {
	for _, text := range []string{"", "/a", "../a", "a/../b", "a\x00", "/", ".", strings.Repeat("a", 5000), strings.Repeat("{a,b}", 20)} {
		_, err := ParsePattern(text, false)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.InvalidRequest {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	begun := time.Now()
	for pattern, path := range map[string]string{
		strings.Repeat("*a", 100) + "b":    strings.Repeat("a", 255),
		strings.Repeat("**/a/", 500) + "b": strings.Repeat("a/", 1000) + "c",
	} {
		p, err := ParsePattern(pattern, false)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(path) {
			t.Errorf("%.20q matches", pattern)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
