package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

type entry struct {
	Name, Path, Type, Target string
	NameBase64               string `json:"name_base64"`
	PathBase64               string `json:"path_base64"`
	ETag                     string
	Size, Mtime              int64
	Mode, UID, GID           int
}

// home is a folder of user 1000 that user 1000 can reach.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "k2-agent-home-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), mode))
	must(t, os.Chmod(path, mode))
}

// noTemps fails when an upload left its temporary file.
func noTemps(t *testing.T, dir string) {
	t.Helper()
	waitFor(t, "temporary files to go", func() bool {
		left, _ := filepath.Glob(filepath.Join(dir, ".k2-*"))
		return len(left) == 0
	})
}

func TestWriteReadStatList(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	var e entry
	a.want(200, "PUT", file("/content", dir+"/a/b/c.txt", user), "hello", &e)
	if e.Name != "c.txt" || e.Path != dir+"/a/b/c.txt" || e.Type != "file" || e.Size != 5 || e.Mode != 0o644 || e.UID != 1000 || e.GID != 1000 || time.Since(time.UnixMilli(e.Mtime)) > time.Minute {
		t.Fatalf("%+v", e)
	}
	a.want(200, "PUT", file("/content", dir+"/a/b/c.txt", user, "mode=0750"), "hello again", &e)
	if e.Mode != 0o750 || e.Size != 11 {
		t.Fatalf("%+v", e)
	}
	a.want(200, "PUT", file("/content", dir+"/a/b/c.txt", user), "0123456789", &e)
	if e.Mode != 0o750 {
		t.Fatalf("the mode was not kept: %+v", e)
	}
	resp, data := a.do("GET", file("/content", dir+"/a/b/c.txt", user), nil)
	if string(data) != "0123456789" || resp.Header.Get("K2-File-Size") != "10" || resp.ContentLength != 10 {
		t.Fatalf("%q %v", data, resp.Header)
	}
	for r, want := range map[string]string{"bytes=2-4": "234", "bytes=7-": "789", "bytes=-3": "789", "bytes=5-99": "56789"} {
		resp, data := a.do("GET", file("/content", dir+"/a/b/c.txt", user), nil, "Range", r)
		if resp.StatusCode != 206 || string(data) != want || !strings.HasSuffix(resp.Header.Get("Content-Range"), "/10") {
			t.Fatalf("%s: %d %q %v", r, resp.StatusCode, data, resp.Header)
		}
	}
	for r, status := range map[string]int{"bytes=10-": 416, "bytes=x": 400, "bytes=3-2": 400, "bytes=0-1,3-4": 400} {
		if resp, data := a.do("GET", file("/content", dir+"/a/b/c.txt", user), nil, "Range", r); resp.StatusCode != status {
			t.Fatalf("%s: %d %s", r, resp.StatusCode, data)
		}
	}
	bad := "bad\xff<name>"
	a.want(200, "PUT", file("/content", dir+"/"+bad, user), "", nil)
	must(t, os.Symlink("c.txt", dir+"/a/b/link"))
	must(t, syscall.Mkfifo(dir+"/fifo", 0o644))
	var l struct {
		Entries   []entry
		Truncated bool
	}
	a.want(200, "GET", file("/list", dir, user), nil, &l)
	if len(l.Entries) != 3 || l.Entries[0].Name != "a" || l.Entries[0].Type != "directory" || l.Entries[2].Type != "fifo" || l.Truncated {
		t.Fatalf("%+v", l)
	}
	if l.Entries[1].NameBase64 != base64.StdEncoding.EncodeToString([]byte(bad)) || l.Entries[1].Name != "bad\ufffd<name>" {
		t.Fatalf("%+v", l.Entries[1])
	}
	a.want(200, "GET", file("/list", dir, user, "limit=1"), nil, &l)
	if len(l.Entries) != 1 || l.Entries[0].Name != "a" || !l.Truncated {
		t.Fatalf("%+v", l)
	}
	e = entry{}
	a.want(200, "GET", file("/stat", dir+"/a/b/link", user, "follow=0"), nil, &e)
	if e.Type != "symlink" || e.Target != "c.txt" {
		t.Fatalf("%+v", e)
	}
	a.want(200, "GET", file("/stat", dir+"/a/b/link", user), nil, &e)
	if e.Type != "file" || e.Size != 10 {
		t.Fatalf("%+v", e)
	}
}

func TestFileErrorsAreExact(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	put(t, dir+"/file", "x", 0o644)
	put(t, dir+"/secret", "x", 0o600) // root's
	must(t, os.Mkdir(dir+"/sub", 0o755))
	must(t, os.Chown(dir+"/sub", 1000, 1000))
	put(t, dir+"/sub/x", "x", 0o644)
	must(t, syscall.Mkfifo(dir+"/fifo", 0o666))
	must(t, os.Chmod(dir+"/fifo", 0o666))
	l, err := net.Listen("unix", dir+"/socket")
	must(t, err)
	defer l.Close()
	must(t, os.Chmod(dir+"/socket", 0o666))
	must(t, os.Symlink("loop", dir+"/loop"))
	must(t, os.Symlink("/proc/self/environ", dir+"/environ"))
	pid := strconv.Itoa(a.cmd.Process.Pid)
	for _, c := range []struct {
		status             int
		code, method, path string
	}{
		{404, "NOT_FOUND", "GET", file("/content", dir+"/none", user)},
		{404, "NOT_FOUND", "GET", file("/stat", dir+"/none", user)},
		{404, "NOT_FOUND", "GET", file("/list", dir+"/none", user)},
		{404, "NOT_FOUND", "DELETE", file("", dir+"/none", user)},
		{400, "IS_A_DIRECTORY", "GET", file("/content", dir+"/sub", user)},
		{400, "IS_A_DIRECTORY", "PUT", file("/content", dir+"/sub", user)},
		{400, "IS_A_DIRECTORY", "PUT", file("/content", dir+"/sub/", user)},
		{400, "IS_A_DIRECTORY", "DELETE", file("", dir+"/sub", user)},
		{400, "NOT_A_DIRECTORY", "GET", file("/list", dir+"/file", user)},
		{400, "NOT_A_DIRECTORY", "GET", file("/content", dir+"/file/x", user)},
		{400, "NOT_A_DIRECTORY", "PUT", file("/content", dir+"/file/x", user)},
		{400, "NOT_A_REGULAR_FILE", "GET", file("/content", dir+"/fifo", user)},
		{400, "NOT_A_REGULAR_FILE", "PUT", file("/content", dir+"/fifo", user)},
		{400, "NOT_A_REGULAR_FILE", "GET", file("/content", dir+"/socket", user)},
		{400, "NOT_A_REGULAR_FILE", "GET", file("/content", "/dev/zero", user)},
		{400, "NOT_A_REGULAR_FILE", "PUT", file("/content", "/dev/null", user)},
		{400, "NOT_A_REGULAR_FILE", "GET", file("/archive", dir+"/fifo", user)},
		{403, "PERMISSION_DENIED", "GET", file("/content", dir+"/secret", user)},
		{403, "PERMISSION_DENIED", "PUT", file("/content", dir+"/secret", user)},
		{403, "PERMISSION_DENIED", "PUT", file("/content", "/etc/k2-test", user)},
		{403, "PERMISSION_DENIED", "GET", file("/list", "/root", user)},
		{403, "PERMISSION_DENIED", "DELETE", file("", "/etc/passwd", user)},
		{400, "INVALID_REQUEST", "GET", file("/content", "relative", user)},
		{400, "INVALID_REQUEST", "GET", file("/content", dir+"/a\x00b", user)},
		{400, "INVALID_REQUEST", "GET", file("/content", dir+"/"+strings.Repeat("n", 300), user)},
		{400, "INVALID_REQUEST", "GET", file("/content", dir+"/loop", user)},
		{400, "INVALID_REQUEST", "GET", file("/content", dir+"/file", "")},
		{400, "INVALID_REQUEST", "GET", file("/list", dir, user, "limit=0")},
		{400, "INVALID_REQUEST", "PUT", file("/content", dir+"/file", user, "mode=999")},
		{400, "INVALID_REQUEST", "GET", "/v1/nothing"},
		{400, "USER_NOT_FOUND", "GET", file("/content", dir+"/file", "no-such-user")},
		{400, "REFUSED", "DELETE", file("", "/", user, "recursive=1")},
		{400, "REFUSED", "DELETE", file("", "/.k2/agent", "0", "recursive=1")},
		{400, "REFUSED", "DELETE", file("", dir+"/..", user, "recursive=1")},
		{400, "REFUSED", "GET", file("/content", "/proc/self/environ", "0")},
		{400, "REFUSED", "GET", file("/content", "/proc/thread-self/status", "0")},
		{400, "REFUSED", "GET", file("/content", "/proc/"+pid+"/status", "0")},
		{400, "REFUSED", "GET", file("/content", "/proc/"+pid+"/root/etc/passwd", "0")},
		{400, "REFUSED", "GET", file("/content", "/proc/self/fd/0", user)},
		{400, "REFUSED", "GET", file("/content", "/proc/self/exe", user)},
		{400, "REFUSED", "GET", file("/content", "/dev/fd/0", user)},
		{400, "REFUSED", "GET", file("/content", dir+"/environ", "0")},
		{400, "REFUSED", "PUT", file("/content", dir+"/environ", "0")},
		{400, "REFUSED", "GET", file("/list", "/proc/self/fd", "0")},
		{400, "REFUSED", "DELETE", file("", "/proc", "0", "recursive=1")},
	} {
		t.Run(c.method+" "+c.code+" "+c.path, func(t *testing.T) {
			b := *a
			b.t = t
			b.refused(c.status, c.code, c.method, c.path, nil)
		})
	}
	if data, _ := os.ReadFile(dir + "/secret"); string(data) != "x" {
		t.Fatal("root's file was changed")
	}
	noTemps(t, dir)
}

func TestProcFilesWithoutSizeAreRead(t *testing.T) {
	needRoot(t)
	a := listening(t)
	want, _ := os.ReadFile("/proc/version")
	resp, data := a.do("GET", file("/content", "/proc/version", user), nil)
	if !bytes.Equal(data, want) || resp.ContentLength != int64(len(want)) {
		t.Fatalf("%q", data)
	}
	if _, data := a.do("GET", file("/content", "/proc/version", user), nil, "Range", "bytes=0-4"); string(data) != "Linux" {
		t.Fatalf("%q", data)
	}
}

func TestWriteGoesThroughSymlinksAndKeepsOwners(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	must(t, os.Mkdir(dir+"/real", 0o755))
	must(t, os.Chown(dir+"/real", 1000, 1000))
	must(t, os.Symlink("real/target", dir+"/link")) // dangling at first
	must(t, os.Symlink(dir+"/link", dir+"/link2"))
	for _, content := range []string{"one", "two"} {
		a.want(200, "PUT", file("/content", dir+"/link2", user), content, nil)
		if data, _ := os.ReadFile(dir + "/real/target"); string(data) != content {
			t.Fatalf("got %q", data)
		}
	}
	if target, _ := os.Readlink(dir + "/link"); target != "real/target" {
		t.Fatal("the link was replaced")
	}
	// As root the file keeps its owner.
	var e entry
	a.want(200, "PUT", file("/content", dir+"/real/target", "0"), "by root", &e)
	if e.UID != 1000 || e.GID != 1000 {
		t.Fatalf("%+v", e)
	}
	// The file may be written, its folder may not: in place.
	must(t, os.Chown(dir+"/real", 0, 0))
	a.want(200, "PUT", file("/content", dir+"/real/target", user), "short", &e)
	if data, _ := os.ReadFile(dir + "/real/target"); string(data) != "short" {
		t.Fatalf("got %q", data)
	}
}

// broken ends with an error instead of io.EOF.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrNoProgress
	}
	return n, err
}

func TestAbortedUploadChangesNothing(t *testing.T) {
	needRoot(t)
	dir := home(t) // goes after the agent, which may see the last upload late and make its folder
	a := listening(t)
	a.want(200, "PUT", file("/content", dir+"/f", user), "old", nil)
	for name, body := range map[string]io.Reader{
		"cut in the middle": broken{strings.NewReader(strings.Repeat("x", 1<<20))},
		"cut at once":       broken{strings.NewReader("")},
	} {
		if resp, err := a.http.Do(a.request(context.Background(), "PUT", file("/content", dir+"/f", user), body)); err == nil {
			resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Fatalf("%s: answered %d", name, resp.StatusCode)
			}
		}
		noTemps(t, dir)
		if data, _ := os.ReadFile(dir + "/f"); string(data) != "old" {
			t.Fatalf("%s: %q", name, data)
		}
	}
}

func TestFullDiskLeavesNothing(t *testing.T) {
	needRoot(t)
	a, parent := listening(t), home(t)
	dir := parent + "/mount"
	must(t, os.Mkdir(dir, 0o777))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=0777"); err != nil {
		t.Skip("can't mount:", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	a.want(200, "PUT", file("/content", dir+"/f", user), "old", nil)
	a.refused(507, "NO_SPACE", "PUT", file("/content", dir+"/f", user), strings.Repeat("x", 1<<20))
	noTemps(t, dir)
	if data, _ := os.ReadFile(dir + "/f"); string(data) != "old" {
		t.Fatalf("%q", data)
	}
	a.refused(507, "NO_SPACE", "PUT", file("/archive", dir, user), tarOf(t, tarEntry{name: "big", body: strings.Repeat("x", 1<<20)}))
	if _, err := os.Stat(dir + "/big"); err == nil {
		t.Fatal("a cut file stayed")
	}
	a.refused(400, "REFUSED", "DELETE", file("", dir, "0", "recursive=1"), nil)
	must(t, os.WriteFile(dir+"/keep", nil, 0o666))
	a.refused(400, "REFUSED", "DELETE", file("", parent, "0", "recursive=1"), nil)
	if _, err := os.Stat(dir + "/keep"); err != nil {
		t.Fatal("deleting the folder above crossed the mount")
	}
}

func TestMkdirMoveDelete(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	var e entry
	a.want(200, "POST", "/v1/files/mkdir", spec{"path": dir + "/d", "user": user, "mode": 0o2777}, &e)
	if e.Type != "directory" || e.Mode != 0o2777 || e.UID != 1000 {
		t.Fatalf("%+v", e)
	}
	a.refused(409, "ALREADY_EXISTS", "POST", "/v1/files/mkdir", spec{"path": dir + "/d", "user": user})
	a.want(200, "POST", "/v1/files/mkdir", spec{"path": dir + "/d", "user": user, "parents": true}, nil)
	a.refused(404, "NOT_FOUND", "POST", "/v1/files/mkdir", spec{"path": dir + "/x/y/z", "user": user})
	a.want(200, "POST", "/v1/files/mkdir", spec{"path": dir + "/x/y/z", "user": user, "parents": true}, nil)
	put(t, dir+"/f", "f", 0o644)
	put(t, dir+"/g", "g", 0o644)
	a.refused(409, "ALREADY_EXISTS", "POST", "/v1/files/mkdir", spec{"path": dir + "/f", "user": user, "parents": true})
	a.refused(409, "ALREADY_EXISTS", "POST", "/v1/files/move", spec{"from": dir + "/f", "to": dir + "/g", "user": user})
	a.want(200, "POST", "/v1/files/move", spec{"from": dir + "/f", "to": dir + "/g", "user": user, "overwrite": true}, &e)
	if data, _ := os.ReadFile(dir + "/g"); string(data) != "f" || e.Path != dir+"/g" {
		t.Fatalf("%q %+v", data, e)
	}
	a.refused(400, "INVALID_REQUEST", "POST", "/v1/files/move", spec{"from": dir + "/x", "to": dir + "/x/y/in", "user": user})
	a.refused(404, "NOT_FOUND", "POST", "/v1/files/move", spec{"from": dir + "/none", "to": dir + "/n", "user": user})
	a.refused(403, "PERMISSION_DENIED", "POST", "/v1/files/move", spec{"from": dir + "/g", "to": "/etc/g", "user": user})
	a.want(204, "DELETE", file("", dir+"/g", user), nil, nil)
	outside := home(t)
	put(t, outside+"/precious", "", 0o644)
	must(t, os.Symlink(outside, dir+"/x/y/out"))
	deep := dir + "/x"
	for range 600 { // deeper than a path may be long
		deep += "/ddddddddd"
		if len(deep) > 3900 {
			break
		}
		must(t, os.Mkdir(deep, 0o777))
		must(t, os.Chown(deep, 1000, 1000))
	}
	must(t, os.Chown(dir+"/x", 1000, 1000))
	a.want(204, "DELETE", file("", dir+"/x", user, "recursive=1"), nil, nil)
	if _, err := os.Stat(outside + "/precious"); err != nil {
		t.Fatal("a symlink was followed")
	}
	must(t, os.Symlink(outside, dir+"/link"))
	a.want(204, "DELETE", file("", dir+"/link", user, "recursive=1"), nil, nil)
	if _, err := os.Stat(outside + "/precious"); err != nil {
		t.Fatal("a symlink was followed")
	}
}

func TestMoveAcrossFileSystems(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	other, err := os.MkdirTemp("/dev/shm", "k2-agent-")
	must(t, err)
	defer os.RemoveAll(other)
	must(t, os.Chown(other, 1000, 1000))
	a.want(200, "PUT", file("/content", dir+"/tree/sub/f", user, "mode=0640"), "content", nil)
	must(t, os.Symlink("sub/f", dir+"/tree/link"))
	a.want(200, "POST", "/v1/files/move", spec{"from": dir + "/tree", "to": other + "/tree", "user": user}, nil)
	data, _ := os.ReadFile(other + "/tree/link")
	info, err := os.Stat(other + "/tree/sub/f")
	must(t, err)
	if string(data) != "content" || info.Mode().Perm() != 0o640 || info.Sys().(*syscall.Stat_t).Uid != 1000 {
		t.Fatalf("%q %v", data, info.Mode())
	}
	if _, err := os.Lstat(dir + "/tree"); !os.IsNotExist(err) {
		t.Fatal("the source stayed")
	}
	a.want(200, "PUT", file("/content", dir+"/one", user), "1", nil)
	a.refused(409, "ALREADY_EXISTS", "POST", "/v1/files/move", spec{"from": dir + "/one", "to": other + "/tree/sub/f", "user": user})
	a.want(200, "POST", "/v1/files/move", spec{"from": dir + "/one", "to": other + "/tree/sub/f", "user": user, "overwrite": true}, nil)
	if data, _ := os.ReadFile(other + "/tree/sub/f"); string(data) != "1" {
		t.Fatalf("%q", data)
	}
	noTemps(t, other)
}

func TestPrepareMakesTheFolderForTheUser(t *testing.T) {
	needRoot(t)
	a := listening(t)
	dir, err := os.MkdirTemp("/tmp", "k2-agent-root-") // root's
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, os.Chmod(dir, 0o755))
	var p struct {
		UID, GID          int
		Name, Home, Shell string
		Created           bool `json:"cwd_created"`
		Accessible        bool `json:"cwd_accessible"`
	}
	a.want(200, "POST", "/v1/prepare", spec{"user": "4242:4343", "cwd": dir + "/a/b"}, &p)
	info, err := os.Stat(dir + "/a/b")
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 4242 || st.Gid != 4343 || !p.Created || !p.Accessible || p.UID != 4242 || p.GID != 4343 || p.Shell != "/bin/sh" {
		t.Fatalf("%+v %+v", p, st)
	}
	a.want(200, "POST", "/v1/prepare", spec{"user": "4242:4343", "cwd": dir + "/a/b"}, &p)
	if p.Created {
		t.Fatal("made twice")
	}
	for _, other := range []struct {
		user       string
		mode       os.FileMode
		accessible bool
	}{{"4242:4343", 0o700, true}, {"4242:4343", 0o600, false}, {"4245:4245", 0o700, false}, {"4245:4245", 0o701, true}, {"0:0", 0, true}} {
		must(t, os.Chmod(dir+"/a/b", other.mode))
		a.want(200, "POST", "/v1/prepare", spec{"user": other.user, "cwd": dir + "/a/b"}, &p)
		if p.Accessible != other.accessible {
			t.Errorf("%+v: %v", other, p.Accessible)
		}
	}
	must(t, os.Symlink("/etc", dir+"/link"))
	a.refused(400, "CWD_NOT_A_DIRECTORY", "POST", "/v1/prepare", spec{"user": "4242:4343", "cwd": dir + "/link/k2-evil"})
	if _, err := os.Stat("/etc/k2-evil"); err == nil {
		os.Remove("/etc/k2-evil")
		t.Fatal("root followed a symlink")
	}
	put(t, dir+"/file", "", 0o644)
	a.refused(400, "CWD_NOT_A_DIRECTORY", "POST", "/v1/prepare", spec{"user": "4242:4343", "cwd": dir + "/file"})
	a.refused(400, "USER_NOT_FOUND", "POST", "/v1/prepare", spec{"user": "no-such", "cwd": "/"})
}

func TestLargeFileBothWays(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	a.want(200, "PUT", file("/content", dir+"/big", user), content, nil)
	if _, data := a.do("GET", file("/content", dir+"/big", user), nil); !bytes.Equal(data, content) {
		t.Fatal("other bytes came back")
	}
	// A file that is cut while it is read resets the stream.
	resp := a.open("GET", file("/content", dir+"/big", user), nil)
	must(t, os.Truncate(dir+"/big", 1000))
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Fatal("a cut file looked whole")
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}
