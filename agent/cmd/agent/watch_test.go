package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

type watchEvent struct {
	Type, Path, From, Kind, Reason string
	PathBase64                     string `json:"path_base64"`
	Skipped                        int
	At                             int64
}

// watcher reads one watch stream.
type watcher struct {
	t     *testing.T
	dir   string
	lines chan watchEvent
	leave context.CancelFunc
}

func (a *agent) watch(dir, user string, more ...string) *watcher {
	a.t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	resp, err := a.http.Do(a.request(ctx, "GET", file("/watch", dir, user, more...), nil))
	must(a.t, err)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		data, _ := io.ReadAll(resp.Body)
		a.t.Fatalf("%d %s", resp.StatusCode, data)
	}
	w := &watcher{a.t, dir, make(chan watchEvent, 1<<20), leave}
	go func() {
		defer close(w.lines)
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			var e watchEvent
			if json.Unmarshal(lines.Bytes(), &e) != nil {
				e.Type = "broken: " + lines.Text()
			}
			w.lines <- e
		}
	}()
	a.t.Cleanup(leave)
	if e := w.next(); e.Type != "ready" {
		a.t.Fatalf("%+v", e)
	}
	return w
}

func (w *watcher) next() watchEvent {
	w.t.Helper()
	select {
	case e, ok := <-w.lines:
		if !ok {
			w.t.Fatal("the stream ended")
		}
		return e
	case <-time.After(15 * time.Second):
		w.t.Fatal("no event")
	}
	return watchEvent{}
}

// until reads to the creation of name in the watched folder, which the caller has made last.
func (w *watcher) until(name string) (events []watchEvent) {
	w.t.Helper()
	for {
		e := w.next()
		if e.Path == w.dir+"/"+name {
			return events
		}
		events = append(events, e)
	}
}

func (w *watcher) texts(events []watchEvent) (texts []string) {
	for _, e := range events {
		text := e.Type + " " + strings.TrimPrefix(strings.TrimPrefix(e.Path, w.dir), "/") + " " + e.Kind
		if e.From != "" {
			text += " from " + strings.TrimPrefix(e.From, w.dir+"/")
		}
		texts = append(texts, text)
	}
	return texts
}

func (w *watcher) expect(last string, want ...string) {
	w.t.Helper()
	must(w.t, os.WriteFile(w.dir+"/"+last, nil, 0o644))
	if got := w.texts(w.until(last)); !slices.Equal(got, want) {
		w.t.Fatalf("got  %q\nwant %q", got, want)
	}
	// What else is told of last: its attributes do not change, it is closed.
	if e := w.next(); e.Type != "write" || e.Path != w.dir+"/"+last {
		w.t.Fatalf("%+v", e)
	}
}

func TestWatchTellsWhatHappens(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	must(t, os.MkdirAll(dir+"/sub/deep", 0o755))
	outside := home(t)
	put(t, outside+"/in", "", 0o644)
	must(t, os.MkdirAll(outside+"/tree/x", 0o755))
	put(t, outside+"/tree/x/f", "", 0o644)
	w := a.watch(dir, user, "recursive=1")

	must(t, os.WriteFile(dir+"/sub/deep/f", []byte("x"), 0o644))
	w.expect("1", "create sub/deep/f file", "write sub/deep/f file")
	must(t, os.Chmod(dir+"/sub/deep/f", 0o600))
	must(t, os.Symlink("f", dir+"/sub/link"))
	must(t, syscall.Mkfifo(dir+"/sub/fifo", 0o600))
	w.expect("2", "attributes sub/deep/f file", "create sub/link symlink", "create sub/fifo fifo")
	must(t, os.Rename(dir+"/sub/deep/f", dir+"/g"))
	must(t, os.Remove(dir+"/sub/link"))
	w.expect("3", "rename g file from sub/deep/f", "remove sub/link ")
	// Folders keep being watched where they go.
	must(t, os.Rename(dir+"/sub", dir+"/moved"))
	must(t, os.Mkdir(dir+"/moved/deep/new", 0o755))
	must(t, os.Mkdir(dir+"/sub", 0o755))
	w.expect("4", "rename moved directory from sub", "create moved/deep/new directory", "create sub directory")
	must(t, os.WriteFile(dir+"/moved/deep/new/f", nil, 0o644))
	w.expect("5", "create moved/deep/new/f file", "write moved/deep/new/f file")
	// Out of the tree and into it.
	must(t, os.Rename(dir+"/moved", outside+"/moved"))
	put(t, outside+"/moved/deep/unseen", "", 0o644)
	must(t, os.Rename(outside+"/in", dir+"/in"))
	must(t, os.Rename(outside+"/tree", dir+"/tree"))
	w.expect("6", "remove moved directory", "create in file", "create tree directory", "create tree/x directory", "create tree/x/f file")
	must(t, os.RemoveAll(dir+"/tree"))
	w.expect("7", "remove tree/x/f ", "remove tree/x directory", "remove tree directory")
	must(t, os.Chown(dir+"/sub", 1000, 1000))
	w.expect("7a", "attributes sub directory")
	// Uploads of the agent are told once they are whole.
	a.want(200, "PUT", file("/content", dir+"/sub/up", user), "x", nil)
	a.want(200, "POST", "/v1/files/copy", spec{"from": dir + "/sub", "to": dir + "/copy", "user": user}, nil)
	w.expect("8", "create sub/up file", "write sub/up file", "create copy directory", "create copy/up file")
}

func TestWatchOfOneFolderOnly(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	must(t, os.Mkdir(dir+"/sub", 0o755))
	w := a.watch(dir, user)
	must(t, os.WriteFile(dir+"/sub/f", nil, 0o644))
	must(t, os.Mkdir(dir+"/new", 0o755))
	must(t, os.WriteFile(dir+"/new/f", nil, 0o644))
	w.expect("1", "create new directory")
	put(t, dir+"/bad\xff", "", 0o644)
	if e := w.next(); e.Path != dir+"/bad\ufffd" || e.PathBase64 != base64.StdEncoding.EncodeToString([]byte(dir+"/bad\xff")) || e.At == 0 {
		t.Fatalf("%+v", e)
	}
}

func TestWatchJoinsWrites(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	w := a.watch(dir, user)
	f, err := os.Create(dir + "/log")
	must(t, err)
	begun := time.Now()
	for range 300 {
		_, err := f.WriteString("line\n")
		must(t, err)
		time.Sleep(time.Millisecond) // the pace of a program that logs
	}
	must(t, f.Close())
	took := time.Since(begun)
	must(t, os.Remove(dir+"/log"))
	count := 0
	for e := w.next(); e.Type != "remove"; e = w.next() {
		if e.Type == "write" {
			count++
		}
	}
	if most := int(took/(50*time.Millisecond)) + 2; count < 3 || count > most {
		t.Fatalf("%d write events in %v, at most %d", count, took, most)
	}
	must(t, os.WriteFile(dir+"/last", nil, 0o644))
	w.until("last")
}

// What is made in a folder before its watch is told as well, once.
func TestWatchLosesNothingInNewFolders(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	w := a.watch(dir, user, "recursive=1")
	const rounds = 200
	out, err := exec.Command("/bin/sh", "-c", fmt.Sprintf(
		`cd %s && i=0; while [ $i -lt %d ]; do mkdir -p $i/b/c/d && : > $i/b/c/d/x && : > $i/b/y; i=$((i+1)); done; : > end`, dir, rounds)).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	made := map[string]int{}
	for _, e := range w.until("end") {
		if e.Type == "create" {
			made[e.Path]++
		}
	}
	for i := range rounds {
		for _, path := range []string{"", "/b", "/b/c", "/b/c/d", "/b/c/d/x", "/b/y"} {
			if n := made[fmt.Sprintf("%s/%d%s", dir, i, path)]; n != 1 {
				t.Errorf("%d%s: told %d times", i, path, n)
			}
		}
	}
}

// A reader that keeps a mirror by the events ends with what is there, whatever was renamed in between.
func TestWatchKeepsAMirrorTrue(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	w := a.watch(dir, user, "recursive=1")
	out, err := exec.Command("/bin/sh", "-c", fmt.Sprintf(`cd %s && i=0; while [ $i -lt 60 ]; do
		mkdir -p a/b/c; : > a/b/c/$i; mv a d$i; mkdir -p a/b; : > a/b/f; mv a/b d$i/e; : > d$i/e/g; mv d$i/e d$i/h; rm -r d$i/b
		mkdir d$i/i; mv d$i/h d$i/i/h; : > d$i/i/h/last; if [ $((i%%3)) = 0 ]; then rm -r d$i; fi; i=$((i+1)); done; : > end`, dir)).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	mirror := map[string]bool{}
	events := w.until("end")
	for _, e := range events {
		switch e.Type {
		case "create":
			mirror[e.Path] = true
		case "remove":
			drop(mirror, e.Path)
		case "rename":
			moved := []string{}
			for path := range mirror {
				if path == e.From || strings.HasPrefix(path, e.From+"/") {
					moved = append(moved, path)
				}
			}
			for _, path := range moved {
				delete(mirror, path)
				mirror[e.Path+strings.TrimPrefix(path, e.From)] = true
			}
			mirror[e.Path] = true
		}
	}
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir && path != dir+"/end" && !mirror[path] {
			t.Errorf("%s is not in the mirror", path)
		}
		delete(mirror, path)
		return err
	}))
	for path := range mirror {
		t.Errorf("%s is in the mirror only", path)
	}
	if t.Failed() {
		for _, text := range w.texts(events) {
			t.Log(text)
		}
	}
}

func drop(mirror map[string]bool, gone string) {
	for path := range mirror {
		if path == gone || strings.HasPrefix(path, gone+"/") {
			delete(mirror, path)
		}
	}
}

func TestWatchTellsABurstWhole(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	w := a.watch(dir, user)
	outside := home(t)
	for i := range 1000 {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d", dir, i), nil, 0o644))
		if i%2 == 0 {
			must(t, os.Remove(fmt.Sprintf("%s/%d", dir, i)))
		} else {
			must(t, os.Rename(fmt.Sprintf("%s/%d", dir, i), fmt.Sprintf("%s/%d", outside, i)))
		}
	}
	must(t, os.WriteFile(dir+"/end", nil, 0o644))
	created, removed := 0, 0
	for _, e := range w.until("end") {
		switch e.Type {
		case "create":
			created++
		case "remove":
			removed++
		case "overflow":
			t.Fatal("events were lost")
		}
	}
	if created != 1000 || removed != 1000 {
		t.Fatalf("%d created, %d removed", created, removed)
	}
}

func TestWatchSaysWhenEventsWereLost(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	w := a.watch(dir, user, "recursive=1")
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	var most int
	_, err = fmt.Sscan(string(limit), &most)
	must(t, err)
	// The agent stands still meanwhile, so the kernel's queue runs over.
	must(t, a.cmd.Process.Signal(syscall.SIGSTOP))
	for i := 0; i <= most/2; i++ {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d", dir, i%2), nil, 0o644))
		must(t, os.Remove(fmt.Sprintf("%s/%d", dir, i%2)))
	}
	must(t, os.MkdirAll(dir+"/missed/sub", 0o755))
	must(t, a.cmd.Process.Signal(syscall.SIGCONT))
	for e := w.next(); e.Type != "overflow"; e = w.next() {
	}
	// What came meanwhile is watched all the same.
	must(t, os.WriteFile(dir+"/missed/sub/f", nil, 0o644))
	for e := w.next(); e.Path != dir+"/missed/sub/f"; e = w.next() {
	}
}

func TestWatchEndsWithItsFolder(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	for name, c := range map[string]struct {
		end    func(path string) error
		reason string
	}{
		"removed": {os.RemoveAll, "removed"},
		"moved":   {func(path string) error { return os.Rename(path, path+"-elsewhere") }, "moved"},
		"shut":    {func(path string) error { return os.Chmod(path, 0o700) }, "permission"},
	} {
		path := dir + "/" + name
		must(t, os.MkdirAll(path+"/sub", 0o755))
		w := a.watch(path, user, "recursive=1")
		must(t, c.end(path))
		e := w.next()
		for ; e.Type != "end"; e = w.next() {
		}
		if e.Reason != c.reason {
			t.Errorf("%s: %+v", name, e)
		}
		if _, more := <-w.lines; more {
			t.Errorf("%s: told something after the end", name)
		}
	}
}

func TestWatchSeesWhatTheUserMaySee(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	must(t, os.MkdirAll(dir+"/open/sub", 0o755))
	must(t, os.MkdirAll(dir+"/shut/sub", 0o755))
	must(t, os.Chmod(dir+"/shut", 0o700)) // root's
	outside := home(t)
	must(t, os.Symlink(outside, dir+"/link"))
	resp := a.open("GET", file("/watch", dir, user, "recursive=1"), nil)
	var ready watchEvent
	must(t, json.NewDecoder(resp.Body).Decode(&ready))
	resp.Body.Close()
	if ready.Type != "ready" || ready.Skipped != 1 {
		t.Fatalf("%+v", ready)
	}
	w := a.watch(dir, user, "recursive=1")
	put(t, dir+"/shut/secret", "", 0o644)
	put(t, dir+"/shut/sub/secret", "", 0o644)
	put(t, outside+"/f", "", 0o644)
	w.expect("1")
	must(t, os.Chmod(dir+"/open", 0o700))
	put(t, dir+"/open/secret", "", 0o644)
	put(t, dir+"/open/sub/secret", "", 0o644)
	must(t, os.Chmod(dir+"/shut", 0o755))
	events := w.texts(func() []watchEvent { put(t, dir+"/2", "", 0o644); return w.until("2") }())
	for _, text := range events {
		if strings.HasPrefix(text, "create open/sub/") {
			t.Fatalf("%q", events)
		}
	}
	for _, text := range []string{"create shut/secret file", "create shut/sub directory", "create shut/sub/secret file"} {
		if !slices.Contains(events, text) {
			t.Fatalf("%q is not in %q", text, events)
		}
	}
	a.refused(403, "PERMISSION_DENIED", "GET", file("/watch", "/root", user), nil)
	a.refused(404, "NOT_FOUND", "GET", file("/watch", dir+"/none", user), nil)
	a.refused(400, "NOT_A_DIRECTORY", "GET", file("/watch", dir+"/1", user), nil)
	a.refused(400, "REFUSED", "GET", file("/watch", "/proc/self", "0"), nil)
	a.refused(400, "INVALID_REQUEST", "GET", file("/watch", "relative", user), nil)
}

func TestWatchHasABoundOfFolders(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	for i := range 8191 {
		must(t, os.Mkdir(fmt.Sprintf("%s/%d", dir, i), 0o755))
	}
	w := a.watch(dir, user, "recursive=1")
	must(t, os.Mkdir(dir+"/more", 0o755))
	e := w.next()
	for ; e.Type != "end"; e = w.next() {
	}
	if e.Reason != "limit" {
		t.Fatalf("%+v", e)
	}
	a.refused(413, "TOO_LARGE", "GET", file("/watch", dir, user, "recursive=1"), nil)
}

func TestWatchLeavesNothingWhenItsReaderLeaves(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	fds := func() int {
		names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid))
		must(t, err)
		count := 0
		for _, name := range names {
			if link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", a.cmd.Process.Pid, name.Name())); strings.Contains(link, "inotify") || strings.HasPrefix(link, dir) {
				count++
			}
		}
		return count
	}
	var all []*watcher
	for range 10 {
		all = append(all, a.watch(dir, user, "recursive=1"))
	}
	if n := fds(); n != 10 {
		t.Fatalf("%d descriptors for 10 watches", n)
	}
	for i, w := range all {
		if i%2 == 0 { // some with events on their way
			must(t, os.WriteFile(dir+"/f", nil, 0o644))
		}
		w.leave()
	}
	waitFor(t, "the watches to go", func() bool { return fds() == 0 })
}

func TestWatchSaysWhichSettingOfTheHostIsShort(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	a.want(200, "GET", file("/stat", dir, user), nil, nil) // the connection is there
	// Not by using up the host's watches: the agent's descriptors are what runs out here, with the same error.
	var old syscall.Rlimit
	must(t, prlimit(a.cmd.Process.Pid, nil, &old))
	must(t, prlimit(a.cmd.Process.Pid, &syscall.Rlimit{Cur: 3, Max: old.Max}, nil))
	defer func() { must(t, prlimit(a.cmd.Process.Pid, &old, nil)) }()
	if message := a.refused(503, "WATCH_LIMIT", "GET", file("/watch", dir, user), nil); !strings.Contains(message, "fs.inotify.max_user_instances") {
		t.Fatal(message)
	}
}

func prlimit(pid int, limit, old *syscall.Rlimit) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE,
		uintptr(unsafe.Pointer(limit)), uintptr(unsafe.Pointer(old)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
