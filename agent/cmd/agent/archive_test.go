package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

type tarEntry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func tarOf(t *testing.T, entries ...tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		must(t, w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.body)), ModTime: time.Unix(1700000000, 0)}))
		_, err := io.WriteString(w, e.body)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func TestUnpackMakesFilesOfTheUser(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	long := strings.Repeat("long-name/", 20) + strings.Repeat("x", 200)
	var done struct{ Entries, Bytes int }
	a.want(200, "PUT", file("/archive", dir+"/new/root", user), tarOf(t,
		tarEntry{name: "./", kind: tar.TypeDir, mode: 0o700},
		tarEntry{name: "locked/", kind: tar.TypeDir, mode: 0o555},
		tarEntry{name: "locked/f", body: "in", mode: 0o6755},
		tarEntry{name: "implied/by/name", body: "x"},
		tarEntry{name: "link", kind: tar.TypeSymlink, link: "implied/by/name"},
		tarEntry{name: "locked/up", kind: tar.TypeSymlink, link: "../implied"},
		tarEntry{name: "hard", kind: tar.TypeLink, link: "locked/f"},
		tarEntry{name: long, body: "deep"},
	), &done)
	if done.Entries != 8 || done.Bytes != 7 {
		t.Fatalf("%+v", done)
	}
	root := dir + "/new/root/"
	info, err := os.Stat(root + "locked/f")
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	if info.Mode() != 0o755 || st.Uid != 1000 || st.Nlink != 2 || info.ModTime().Unix() != 1700000000 {
		t.Fatalf("%v %+v", info.Mode(), st)
	}
	if info, _ := os.Stat(root + "locked"); info.Mode().Perm() != 0o555 {
		t.Fatal(info.Mode())
	}
	if data, _ := os.ReadFile(root + "link"); string(data) != "x" {
		t.Fatalf("%q", data)
	}
	if _, err := os.Stat(root + long); err != nil {
		t.Fatal(err)
	}
	// Out and in again gives the same tree.
	_, packed := a.do("GET", file("/archive", dir+"/new/root", user), nil)
	a.want(200, "PUT", file("/archive", dir+"/copy", user), packed, &done)
	_, again := a.do("GET", file("/archive", dir+"/copy", user), nil)
	if names(t, packed) != names(t, again) {
		t.Fatalf("%s\nthen\n%s", names(t, packed), names(t, again))
	}
	// Unpacking over what is there replaces files.
	a.want(200, "PUT", file("/archive", dir+"/copy", user), tarOf(t, tarEntry{name: "link", body: "now a file"}), nil)
	if data, _ := os.ReadFile(dir + "/copy/implied/by/name"); string(data) != "x" {
		t.Fatal("a symlink was written through")
	}
}

func names(t *testing.T, data []byte) string {
	t.Helper()
	var b strings.Builder
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return b.String()
		}
		must(t, err)
		b.WriteString(h.FileInfo().Mode().String() + " " + h.Name + " " + h.Linkname + "\n")
	}
}

func TestUnpackRefusesWhatIsUnsafe(t *testing.T) {
	needRoot(t)
	a := listening(t)
	for name, entries := range map[string][]tarEntry{
		"absolute":                {{name: "/etc/evil"}},
		"dot dot":                 {{name: "../evil"}},
		"dot dot inside":          {{name: "a/../../evil"}},
		"device":                  {{name: "dev", kind: tar.TypeChar}},
		"block device":            {{name: "dev", kind: tar.TypeBlock}},
		"fifo":                    {{name: "fifo", kind: tar.TypeFifo}},
		"absolute symlink":        {{name: "l", kind: tar.TypeSymlink, link: "/etc"}},
		"symlink out":             {{name: "d/l", kind: tar.TypeSymlink, link: "../../x"}},
		"symlink by symlink":      {{name: "d/l", kind: tar.TypeSymlink, link: ".."}, {name: "d/m", kind: tar.TypeSymlink, link: "l/../x"}},
		"through a symlink":       {{name: "d/", kind: tar.TypeDir, mode: 0o755}, {name: "l", kind: tar.TypeSymlink, link: "d"}, {name: "l/f"}},
		"through the user's link": {{name: "outside/f"}},
		"hard link out":           {{name: "h", kind: tar.TypeLink, link: "../x"}},
		"hard link by a symlink":  {{name: "h", kind: tar.TypeLink, link: "outside/f"}},
		"hard link to a symlink":  {{name: "h", kind: tar.TypeLink, link: "outside"}},
		"root as a file":          {{name: "./"[:1], body: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := *a
			b.t = t
			dir, outside := home(t), home(t)
			must(t, os.Symlink(outside, dir+"/outside"))
			message := b.refused(400, "ARCHIVE_UNSAFE", "PUT", file("/archive", dir, user), tarOf(t, entries...))
			if last := entries[len(entries)-1].name; !strings.Contains(message, last) && last != "outside/f" && last != "l/f" {
				t.Errorf("%q does not name %q", message, last)
			}
			if left, _ := os.ReadDir(outside); len(left) != 0 {
				t.Fatal("something got out")
			}
		})
	}
}

func TestUnpackLimits(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	a.refused(413, "TOO_LARGE", "PUT", file("/archive", dir, user, "max_bytes=9"), tarOf(t, tarEntry{name: "a", body: "12345"}, tarEntry{name: "b", body: "67890"}))
	if _, err := os.Stat(dir + "/b"); err == nil {
		t.Fatal("the entry over the limit stayed")
	}
	a.refused(413, "TOO_LARGE", "PUT", file("/archive", dir, user), tarOf(t, tarEntry{name: strings.Repeat("d/", 300) + "f"}))
	whole := tarOf(t, tarEntry{name: "cut", body: strings.Repeat("x", 5000)})
	a.refused(400, "INVALID_REQUEST", "PUT", file("/archive", dir, user), whole[:3000])
	if _, err := os.Stat(dir + "/cut"); err == nil {
		t.Fatal("a cut file stayed")
	}
	a.refused(400, "INVALID_REQUEST", "PUT", file("/archive", dir, user), strings.Repeat("no tar ", 200))
	a.refused(403, "PERMISSION_DENIED", "PUT", file("/archive", "/etc", user), tarOf(t, tarEntry{name: "k2-evil"}))
	must(t, os.MkdirAll(dir+"/folder/x", 0o777))
	a.refused(400, "IS_A_DIRECTORY", "PUT", file("/archive", dir, user), tarOf(t, tarEntry{name: "folder", body: "x"}))
}

func TestPackLeavesOutWhatIsNoFile(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	put(t, dir+"/a", "content", 0o644)
	put(t, dir+"/secret", "root's", 0o600)
	must(t, syscall.Mkfifo(dir+"/fifo", 0o666))
	must(t, os.Symlink("/etc/passwd", dir+"/link"))
	resp, data := a.do("GET", file("/archive", dir, user), nil)
	if got := names(t, data); strings.Contains(got, "secret") || strings.Contains(got, "fifo") || !strings.Contains(got, " a ") || !strings.Contains(got, "link /etc/passwd") {
		t.Fatal(got)
	}
	if resp.Header.Get("Content-Type") != "application/x-tar" {
		t.Fatal(resp.Header)
	}
	_, one := a.do("GET", file("/archive", dir+"/a", user), nil)
	if got := names(t, one); got != "-rw-r--r-- a \n" {
		t.Fatalf("%q", got)
	}
}
