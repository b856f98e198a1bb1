package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCopyKeepsLinksModesAndTimes(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	a.want(200, "PUT", file("/content", dir+"/tree/sub/f", user, "mode=0640"), "content", nil)
	old := time.Unix(1_000_000_000, 0)
	must(t, os.Chtimes(dir+"/tree/sub/f", old, old))
	must(t, os.Symlink("sub/f", dir+"/tree/link"))
	must(t, os.Symlink("/etc", dir+"/tree/out"))
	var e entry
	a.want(200, "POST", "/v1/files/copy", spec{"from": dir + "/tree", "to": dir + "/copy", "user": user}, &e)
	info, err := os.Stat(dir + "/copy/sub/f")
	must(t, err)
	link, _ := os.Readlink(dir + "/copy/link")
	out, _ := os.Readlink(dir + "/copy/out")
	if e.Type != "directory" || e.Path != dir+"/copy" || info.Mode().Perm() != 0o640 || !info.ModTime().Equal(old) || link != "sub/f" || out != "/etc" {
		t.Fatalf("%+v %v %q %q", e, info, link, out)
	}
	if data, _ := os.ReadFile(dir + "/tree/sub/f"); string(data) != "content" {
		t.Fatal("the source changed")
	}
	copyOf := func(from, to string, more ...any) spec {
		s := spec{"from": dir + from, "to": dir + to, "user": user}
		for i := 0; i < len(more); i += 2 {
			s[more[i].(string)] = more[i+1]
		}
		return s
	}
	a.want(200, "POST", "/v1/files/copy", copyOf("/tree/link", "/link"), &e)
	if e.Type != "symlink" {
		t.Fatalf("%+v", e)
	}
	a.want(200, "PUT", file("/content", dir+"/g", user), "other", nil)
	a.refused(409, "ALREADY_EXISTS", "POST", "/v1/files/copy", copyOf("/tree/sub/f", "/g"))
	a.want(200, "POST", "/v1/files/copy", copyOf("/tree/sub/f", "/g", "overwrite", true), nil)
	if data, _ := os.ReadFile(dir + "/g"); string(data) != "content" {
		t.Fatalf("%q", data)
	}
	a.refused(409, "ALREADY_EXISTS", "POST", "/v1/files/copy", copyOf("/tree", "/copy", "overwrite", true))
	a.refused(400, "INVALID_REQUEST", "POST", "/v1/files/copy", copyOf("/tree", "/tree/in"))
	a.refused(400, "INVALID_REQUEST", "POST", "/v1/files/copy", copyOf("/tree", "/tree/sub/in"))
	a.refused(404, "NOT_FOUND", "POST", "/v1/files/copy", copyOf("/none", "/x"))
	a.refused(403, "PERMISSION_DENIED", "POST", "/v1/files/copy", spec{"from": dir + "/g", "to": "/etc/g", "user": user})
	a.refused(400, "REFUSED", "POST", "/v1/files/copy", spec{"from": dir + "/g", "to": "/.k2/g", "user": "0"})
	a.refused(400, "REFUSED", "POST", "/v1/files/copy", spec{"from": "/proc/self/environ", "to": dir + "/env", "user": "0"})
	l, err := net.Listen("unix", dir+"/tree/sub/socket")
	must(t, err)
	defer l.Close()
	a.refused(400, "NOT_A_REGULAR_FILE", "POST", "/v1/files/copy", copyOf("/tree", "/half"))
	for _, at := range []string{dir, dir + "/tree", dir + "/tree/sub"} {
		noTemps(t, at)
	}
}

func TestCopyOfRootsProgramIsNotSetuid(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	must(t, os.WriteFile(dir+"/su", nil, 0o755))
	must(t, os.Chmod(dir+"/su", 0o755|os.ModeSetuid))
	var e entry
	a.want(200, "POST", "/v1/files/copy", spec{"from": dir + "/su", "to": dir + "/mine", "user": user}, &e)
	if e.UID != 1000 || e.Mode != 0o755 {
		t.Fatalf("%+v", e)
	}
	a.want(200, "POST", "/v1/files/copy", spec{"from": dir + "/su", "to": dir + "/roots", "user": "0"}, &e)
	if e.UID != 0 || e.Mode != 0o4755 {
		t.Fatalf("%+v", e)
	}
}

func TestCopyEndsWhenTheCallerLeaves(t *testing.T) {
	needRoot(t)
	dir := home(t)
	a := listening(t)
	must(t, os.WriteFile(dir+"/big", nil, 0o644))
	must(t, os.Truncate(dir+"/big", 8<<30)) // a hole; the copy would be written
	ctx, leave := context.WithCancel(t.Context())
	req := a.request(ctx, "POST", "/v1/files/copy", spec{"from": dir + "/big", "to": dir + "/copy", "user": user})
	ended := make(chan error, 1)
	go func() {
		resp, err := a.http.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	waitFor(t, "the copy to begin", func() bool {
		begun, _ := filepath.Glob(dir + "/.k2-*")
		return len(begun) == 1
	})
	leave()
	if err := <-ended; err == nil {
		t.Fatal("8 GiB were copied")
	}
	noTemps(t, dir)
	if _, err := os.Stat(dir + "/copy"); err == nil {
		t.Fatal("half a copy stayed")
	}
}

func TestAttributes(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	a.want(200, "PUT", file("/content", dir+"/d/f", user), "x", nil)
	must(t, os.Symlink("d/f", dir+"/link"))
	var e entry
	a.want(200, "POST", "/v1/files/attributes", spec{"path": dir + "/link", "user": user, "mode": 0o600, "mtime": 1_500_000_000_123}, &e)
	info, err := os.Stat(dir + "/d/f")
	must(t, err)
	if e.Type != "file" || e.Mode != 0o600 || e.Mtime != 1_500_000_000_123 || info.Mode().Perm() != 0o600 || info.ModTime().UnixMilli() != 1_500_000_000_123 {
		t.Fatalf("%+v %v", e, info)
	}
	a.want(200, "POST", "/v1/files/attributes", spec{"path": dir + "/d/f", "user": user, "mtime": -1}, &e)
	if e.Mtime != -1 || e.Mode != 0o600 {
		t.Fatalf("%+v", e)
	}
	a.want(200, "POST", "/v1/files/attributes", spec{"path": dir + "/d/f", "user": "0", "owner": "4242:4343", "mode": 0o4711}, &e)
	if e.UID != 4242 || e.GID != 4343 || e.Mode != 0o4711 {
		t.Fatalf("%+v", e)
	}
	attributes := "/v1/files/attributes"
	a.refused(403, "PERMISSION_DENIED", "POST", attributes, spec{"path": dir + "/d/f", "user": user, "mode": 0o777})
	a.refused(403, "PERMISSION_DENIED", "POST", attributes, spec{"path": dir + "/d", "user": user, "owner": "0:0"})
	a.refused(404, "NOT_FOUND", "POST", attributes, spec{"path": dir + "/none", "user": user, "mode": 0o777})
	a.refused(400, "INVALID_REQUEST", "POST", attributes, spec{"path": dir + "/d", "user": user, "mode": 0o10000})
	a.refused(400, "REFUSED", "POST", attributes, spec{"path": "/proc/self/environ", "user": "0", "mode": 0o777})
	a.refused(400, "REFUSED", "POST", attributes, spec{"path": "/.k2/agent", "user": "0", "mode": 0})
}

func TestAttributesOfATreeFollowNoLink(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	outside := home(t)
	put(t, outside+"/precious", "", 0o644)
	a.want(200, "PUT", file("/content", dir+"/tree/sub/f", user), "x", nil)
	must(t, os.Symlink(outside, dir+"/tree/out"))
	must(t, os.Symlink(dir+"/tree", dir+"/link"))
	var e entry
	a.want(200, "POST", "/v1/files/attributes", spec{"path": dir + "/tree", "user": "0", "owner": "7:8", "mode": 0o640, "recursive": true}, &e)
	for path, mode := range map[string]os.FileMode{"/tree": 0o640, "/tree/sub": 0o640, "/tree/sub/f": 0o640, "/tree/out": 0o777} {
		info, err := os.Lstat(dir + path)
		must(t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != 7 || st.Gid != 8 || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %+v", path, info.Mode(), st)
		}
	}
	a.want(200, "POST", "/v1/files/attributes", spec{"path": dir + "/link", "user": "0", "owner": "9:9", "recursive": true}, &e)
	if e.Type != "symlink" || e.UID != 9 {
		t.Fatalf("%+v", e)
	}
	for path, owner := range map[string]uint32{outside: 1000, outside + "/precious": 0, dir + "/tree": 7} {
		info, err := os.Stat(path)
		must(t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != owner {
			t.Errorf("%s: a link was followed: %+v", path, st)
		}
	}
	// A folder that its owner can't enter is opened by the change itself, with what is in it.
	a.want(200, "PUT", file("/content", dir+"/shut/sub/f", user), "x", nil)
	must(t, os.Chmod(dir+"/shut/sub", 0))
	must(t, os.Chmod(dir+"/shut", 0))
	a.want(200, "POST", "/v1/files/attributes", spec{"path": dir + "/shut", "user": user, "mode": 0o755, "recursive": true}, nil)
	if info, err := os.Stat(dir + "/shut/sub/f"); err != nil || info.Mode().Perm() != 0o755 {
		t.Fatal(info, err)
	}
}

func TestDigest(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	content := strings.Repeat("0123456789", 100_000)
	var e entry
	a.want(200, "PUT", file("/content", dir+"/f", user), content, &e)
	s256, s512 := sha256.Sum256([]byte(content)), sha512.Sum512([]byte(content))
	for algorithm, want := range map[string][]byte{"sha256": s256[:], "sha512": s512[:]} {
		var d struct {
			Algorithm, Digest, ETag string
			Size                    int64
		}
		a.want(200, "GET", file("/digest", dir+"/f", user, "algorithm="+algorithm), nil, &d)
		if d.Digest != base64.StdEncoding.EncodeToString(want) || d.Algorithm != algorithm || d.Size != int64(len(content)) || d.ETag != e.ETag {
			t.Fatalf("%+v", d)
		}
	}
	a.refused(400, "INVALID_REQUEST", "GET", file("/digest", dir+"/f", user, "algorithm=md5"), nil)
	a.refused(400, "IS_A_DIRECTORY", "GET", file("/digest", dir, user, "algorithm=sha256"), nil)
	a.refused(403, "PERMISSION_DENIED", "GET", file("/digest", "/etc/shadow", user, "algorithm=sha256"), nil)
}
