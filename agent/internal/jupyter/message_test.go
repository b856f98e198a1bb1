package jupyter

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRequestsAreSignedAndReadBack(t *testing.T) {
	s := newSession()
	id, parts := s.request("execute_request", map[string]string{"code": "1"})
	m, err := s.open(append([][]byte{[]byte("route")}, parts...))
	if err != nil || m.Type != "execute_request" || string(m.content) != `{"code":"1"}` {
		t.Fatalf("%+v %v", m, err)
	}
	if len(id) != 32 {
		t.Fatal(id)
	}
}

func TestMessagesThatAreNotTheKernels(t *testing.T) {
	s := newSession()
	_, parts := s.request("status", struct{}{})
	with := func(change func(parts [][]byte) [][]byte) [][]byte {
		var copied [][]byte
		for _, part := range parts {
			copied = append(copied, bytes.Clone(part))
		}
		return change(copied)
	}
	for name, c := range map[string]struct {
		parts [][]byte
		want  error
	}{
		"no parts":          {nil, errMalformed},
		"no delimiter":      {with(func(p [][]byte) [][]byte { return p[1:] }), errMalformed},
		"too few parts":     {with(func(p [][]byte) [][]byte { return p[:4] }), errMalformed},
		"another content":   {with(func(p [][]byte) [][]byte { p[5] = []byte(`{"a":1}`); return p }), errUnsigned},
		"another parent":    {with(func(p [][]byte) [][]byte { p[3] = []byte(`{"msg_id":"x"}`); return p }), errUnsigned},
		"no signature":      {with(func(p [][]byte) [][]byte { p[1] = nil; return p }), errUnsigned},
		"another's session": {with(func(p [][]byte) [][]byte { p[1] = newSession().sign(p[2:]); return p }), errUnsigned},
		"a header of text": {with(func(p [][]byte) [][]byte {
			p[2] = []byte("text")
			p[1] = s.sign(p[2:])
			return p
		}), errMalformed},
	} {
		if _, err := s.open(c.parts); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func raw(value any) json.RawMessage {
	text, _ := json.Marshal(value)
	return text
}

func TestBundles(t *testing.T) {
	b := readBundle(map[string]json.RawMessage{
		plain: raw([]string{"a\n", "b"}), "text/html": raw("<b>"), "application/x+json": raw(map[string]int{"a": 1}), "text/odd": raw(5),
	})
	for mime, want := range map[string]string{plain: `"a\nb"`, "text/html": `"\u003cb\u003e"`, "application/x+json": `{"a":1}`, "text/odd": `"5"`} {
		if string(b[mime]) != want {
			t.Errorf("%s: %s", mime, b[mime])
		}
	}
}

func TestLargeFormsAreLeftOutAndTextIsCut(t *testing.T) {
	b := bundle{plain: raw("short"), "text/html": raw(strings.Repeat("x", 2000)), "image/png": raw(strings.Repeat("y", 5000))}
	if left := b.fit(3000); len(left) != 1 || left[0] != "image/png" || b["text/html"] == nil {
		t.Fatal(left)
	}
	b = bundle{plain: raw(strings.Repeat("é", 3000)), "image/png": raw("y")}
	if left := b.fit(1024); strings.Join(left, " ") != "image/png text/plain" {
		t.Fatal(left)
	}
	if b.size() > 1024 || !strings.Contains(string(b[plain]), "bytes left out") {
		t.Fatalf("%d: %s", b.size(), b[plain])
	}
}

func TestKernelspecIsReadAndFilledIn(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("JUPYTER_PATH", "")
	t.Setenv("WHO", "me")
	folder := filepath.Join(home, ".local/share/jupyter/kernels/mine")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text := `{"argv": ["run", "{resource_dir}/x", "-f={connection_file}"], "language": "L", "env": {"A": "${WHO}!"}, "interrupt_mode": "message"}`
	if err := os.WriteFile(filepath.Join(folder, "kernel.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := findKernelspec("mine")
	if err != nil || spec.InterruptMode != "message" || spec.Language != "L" {
		t.Fatalf("%+v %v", spec, err)
	}
	if got := strings.Join(spec.command("/c.json"), " "); got != "run "+folder+"/x -f=/c.json" {
		t.Fatal(got)
	}
	if env := spec.environment(); env[len(env)-1] != "A=me!" {
		t.Fatal(env[len(env)-1])
	}
}

func TestKernelspecsThatAreNotThere(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("JUPYTER_PATH", "")
	for _, name := range []string{"", ".", "..", "../x", "a/b", "a\x00", strings.Repeat("a", 65), "nobody-has-this"} {
		if _, err := findKernelspec(name); err == nil {
			t.Errorf("%q was found", name)
		}
	}
}
