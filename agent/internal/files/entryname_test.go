package files

import (
	"path"
	"strings"
	"testing"
)

func FuzzEntryName(f *testing.F) {
	for _, seed := range []string{"a/b", "./a", "../a", "a/../b", "/a", "a//b/", "", ".", "./", "a/..", "..\x00", "...", strings.Repeat("a/", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		parts, err := entryName(name)
		if err != nil {
			return
		}
		for _, part := range parts {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "/\x00") {
				t.Fatalf("%q has the part %q", name, part)
			}
		}
		if got, want := strings.Join(parts, "/"), strings.TrimPrefix(path.Clean("/"+name), "/"); got != want {
			t.Fatalf("%q became %q, want %q", name, got, want)
		}
	})
}

func FuzzLinkTarget(f *testing.F) {
	for _, seed := range []string{"x", "../x", "../../x", "/x", "a/../x", "", ".", "./..", "a\x00"} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, target string, depth int) {
		if depth < 0 || depth > maxDepth || linkTarget("link", target, depth) != nil {
			return
		}
		from := "/" + strings.TrimSuffix(strings.Repeat("d/", depth), "/")
		// Read from below a marked root, the target must stay below it.
		if got := path.Join("/root"+from, target); got != "/root" && !strings.HasPrefix(got, "/root/") {
			t.Fatalf("%q at depth %d leads to %q", target, depth, got)
		}
	})
}
