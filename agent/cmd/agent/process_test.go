package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k2sandbox.dev/agent/internal/mixed"
)

func TestProcessStreamsSeparateOutputsAndExitCode(t *testing.T) {
	needRoot(t)
	a := listening(t)
	res := a.run(command("echo out; echo err >&2; id -u; exit 3"))
	if string(res.stdout) != "out\n1000\n" || string(res.stderr) != "err\n" {
		t.Fatalf("got %q and %q", res.stdout, res.stderr)
	}
	if *res.last.ExitCode != 3 || *res.last.Reason != "exited" || res.last.Signal != nil || res.last.State != "exited" {
		t.Fatalf("status %+v", res.last)
	}
	if res.first.State != "running" || res.first.PID != res.last.PID || res.kinds[0] != mixed.Started {
		t.Fatalf("first %+v", res.first)
	}
	if res.last.Output != 15-3+0 && res.last.Output != int64(len(res.stdout)+len(res.stderr)) {
		t.Fatalf("output_bytes %d", res.last.Output)
	}
	if res.last.CPU <= 0 || res.last.Memory <= 0 || res.last.Wall <= 0 {
		t.Fatalf("usage %+v", res.last)
	}
}

func TestProcessGetsItsEnvironmentAndNothingElse(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("env | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD= | sort; ls /proc/self/fd | wc -l; umask; cat /proc/self/status | grep CapEff")
	s["env"] = map[string]string{"PATH": "/usr/bin:/bin", "A": "b=c"}
	s["user"] = "4242:4242"
	res := a.run(s)
	home := "/"
	if _, err := os.Stat("/home/user"); err == nil {
		home = "/home/user"
	}
	want := "A=b=c\nHOME=" + home + "\nLOGNAME=4242\nPATH=/usr/bin:/bin\nUSER=4242\n4\n0022\nCapEff:\t0000000000000000\n"
	if string(res.stdout) != want {
		t.Fatalf("got %q, want %q", res.stdout, want)
	}
}

func TestStartErrorsAreExact(t *testing.T) {
	needRoot(t)
	a := listening(t)
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for p := dir; p != "/"; p = filepath.Dir(p) {
		_ = os.Chmod(p, 0o777)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	plain := write("plain", "echo hi", 0o644)
	noInterpreter := write("nointerp", "#!/no/such/interpreter\n", 0o755)
	garbage := write("garbage", "\x01\x02\x03", 0o755)
	for _, c := range []struct {
		name, code string
		change     func(spec)
	}{
		{"argv[0] missing", "COMMAND_NOT_FOUND", func(s spec) { s["argv"] = []string{"/no/such"} }},
		{"name not in PATH", "COMMAND_NOT_FOUND", func(s spec) { s["argv"] = []string{"no-such-program"} }},
		{"interpreter missing", "COMMAND_NOT_FOUND", func(s spec) { s["argv"] = []string{noInterpreter} }},
		{"not executable", "COMMAND_NOT_EXECUTABLE", func(s spec) { s["argv"] = []string{plain} }},
		{"not executable in PATH", "COMMAND_NOT_EXECUTABLE", func(s spec) {
			s["argv"], s["env"] = []string{"plain"}, map[string]string{"PATH": dir}
		}},
		{"no format", "COMMAND_NOT_EXECUTABLE", func(s spec) { s["argv"] = []string{garbage} }},
		{"a folder", "COMMAND_NOT_EXECUTABLE", func(s spec) { s["argv"] = []string{"/tmp"} }},
		{"cwd missing", "CWD_NOT_FOUND", func(s spec) { s["cwd"] = "/no/such" }},
		{"cwd a file", "CWD_NOT_A_DIRECTORY", func(s spec) { s["cwd"] = plain }},
		{"cwd locked", "CWD_NOT_ACCESSIBLE", func(s spec) { s["cwd"] = locked }},
		{"cwd relative", "INVALID_REQUEST", func(s spec) { s["cwd"] = "tmp" }},
		{"user unknown", "USER_NOT_FOUND", func(s spec) { s["user"] = "nobody-here" }},
		{"group unknown", "USER_NOT_FOUND", func(s spec) { s["user"] = "1000:no-such-group" }},
		{"argv empty", "INVALID_REQUEST", func(s spec) { s["argv"] = []string{} }},
		{"NUL in argv", "INVALID_REQUEST", func(s spec) { s["argv"] = []string{"/bin/true", "a\x00b"} }},
		{"= in env", "INVALID_REQUEST", func(s spec) { s["env"] = map[string]string{"A=B": "c"} }},
		{"bad id", "INVALID_REQUEST", func(s spec) { s["id"] = "../x" }},
		{"bad buffer", "INVALID_REQUEST", func(s spec) { s["buffer_bytes"] = 1 }},
	} {
		s := command("true")
		c.change(s)
		t.Run(c.name, func(t *testing.T) {
			b := *a
			b.t = t
			b.refused(400, c.code, "POST", "/v1/processes", s)
		})
	}
	a.refused(400, "INVALID_REQUEST", "POST", "/v1/processes", "{")
	long := command("sleep 60")
	a.start(long)
	a.refused(409, "PROCESS_EXISTS", "POST", "/v1/processes", long)
	var list struct{ Processes []status }
	a.want(200, "GET", "/v1/processes", nil, &list)
	if len(list.Processes) != 1 {
		t.Fatalf("failed starts left something: %+v", list)
	}
}

func TestReplayIsExactToTheByte(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("i=0; while [ $i -lt 2000 ]; do echo line $i; echo err $i >&2; i=$((i+1)); done")
	whole := a.run(s)
	total := int64(len(whole.stdout) + len(whole.stderr))
	for _, offset := range []int64{0, 1, 4097, total - 1, total} {
		resp := a.open("GET", fmt.Sprintf("/v1/processes/%s/output?offset=%d&follow=1&time=1", s["id"], offset), nil)
		res := readStream(t, resp.Body)
		got := int64(len(res.stdout) + len(res.stderr))
		if got != total-offset || res.gap != 0 || !res.ended {
			t.Fatalf("offset %d: %d bytes, gap %d, ended %v; want %d", offset, got, res.gap, res.ended, total-offset)
		}
		if !bytes.HasSuffix(whole.stdout, res.stdout) || !bytes.HasSuffix(whole.stderr, res.stderr) {
			t.Fatalf("offset %d: other bytes than before", offset)
		}
	}
	a.refused(400, "INVALID_REQUEST", "GET", fmt.Sprintf("/v1/processes/%s/output?offset=%d", s["id"], total+1), nil)
}

func TestWithoutFollowerTheRingDropsTheOldestAndSaysSo(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("head -c 1000000 /dev/zero; echo END").with("buffer_bytes", 65536)
	a.start(s)
	var st status
	waitFor(t, "the end", func() bool {
		a.want(200, "GET", "/v1/processes/"+s["id"].(string), nil, &st)
		return st.State == "exited"
	})
	resp := a.open("GET", "/v1/processes/"+s["id"].(string)+"/output?offset=10", nil)
	res := readStream(t, resp.Body)
	if res.gap+uint64(len(res.stdout))+10 != 1000004 || len(res.stdout) > 65536 || !bytes.HasSuffix(res.stdout, []byte("END\n")) {
		t.Fatalf("gap %d and %d bytes", res.gap, len(res.stdout))
	}
	if st.Dropped != int64(res.gap)+10 || st.Output != 1000004 {
		t.Fatalf("status %+v", st)
	}
}

func TestSlowFollowerSlowsTheProcessAndLosesNothing(t *testing.T) {
	needRoot(t)
	a := listening(t)
	const size = 40 << 20
	s := command(fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x; echo done > /dev/null", size)).with("follow", true).with("buffer_bytes", 65536)
	resp := a.open("POST", "/v1/processes", s)
	defer resp.Body.Close()
	var held status
	waitFor(t, "output to stand still", func() bool {
		before := held.Output
		time.Sleep(100 * time.Millisecond)
		a.want(200, "GET", "/v1/processes/"+s["id"].(string), nil, &held)
		return before == held.Output && held.Output > 0
	})
	if held.State != "running" || held.Output > 8<<20 {
		t.Fatalf("the process was not held: %+v", held)
	}
	// A second follower reads at its own pace; both get everything.
	second := a.open("GET", "/v1/processes/"+s["id"].(string)+fmt.Sprintf("/output?follow=1&offset=%d", held.Output), nil)
	defer second.Body.Close()
	done := make(chan int)
	go func() { done <- len(readStream(t, second.Body).stdout) }()
	res := readStream(t, resp.Body)
	if len(res.stdout) != size || res.gap != 0 || res.last.Dropped != 0 {
		t.Fatalf("%d bytes, gap %d, status %+v", len(res.stdout), res.gap, res.last)
	}
	if n := <-done; int64(n) != size-held.Output {
		t.Fatalf("the second follower got %d of %d", n, size-held.Output)
	}
}

func TestFollowerThatLeavesFreesTheProcess(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("head -c 30000000 /dev/zero; echo END").with("follow", true).with("buffer_bytes", 65536)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	resp, err := a.http.Do(a.request(ctx, "POST", "/v1/processes", s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	var st status
	waitFor(t, "the end of a process whose reader left", func() bool {
		a.want(200, "GET", "/v1/processes/"+s["id"].(string), nil, &st)
		return st.State == "exited"
	})
	if st.Dropped == 0 || *st.ExitCode != 0 {
		t.Fatalf("status %+v", st)
	}
}

func TestTimeFramesComeBeforeTheirData(t *testing.T) {
	needRoot(t)
	a := listening(t)
	before := time.Now().UnixMicro()
	res := a.run(command("echo a; sleep 0.05; echo b").with("time", true))
	if want := []byte{mixed.Started, mixed.Time, mixed.Stdout, mixed.Time, mixed.Stdout, mixed.Ended}; !bytes.Equal(res.kinds, want) {
		t.Fatalf("frames %v, want %v", res.kinds, want)
	}
	if d := res.times[1] - res.times[0]; int64(res.times[0]) < before || d < 40_000 || d > 5_000_000 {
		t.Fatalf("times %v", res.times)
	}
}

func TestStdin(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("cat").with("stdin", "pipe").with("follow", true)
	id := s["id"].(string)
	resp := a.open("POST", "/v1/processes", s)
	defer resp.Body.Close()
	big := strings.Repeat("0123456789", 50_000)
	for _, part := range []string{"hello ", big} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.want(204, "POST", "/v1/processes/"+id+"/stdin", part, nil)
		}()
		if part != big {
			<-done
		} else {
			defer func() { <-done }()
		}
	}
	got := make([]byte, 0)
	for len(got) < len(big)+6 {
		kind, payload, err := readFrame(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if kind == mixed.Stdout {
			got = append(got, payload...)
		}
	}
	if string(got) != "hello "+big {
		t.Fatal("cat gave other bytes")
	}
	a.want(204, "POST", "/v1/processes/"+id+"/stdin?close=1", nil, nil)
	if res := readStream(t, resp.Body); !res.ended || *res.last.ExitCode != 0 {
		t.Fatalf("%+v", res.last)
	}
	a.refused(409, "STDIN_CLOSED", "POST", "/v1/processes/"+id+"/stdin", "late")
	none := command("sleep 60")
	a.start(none)
	a.refused(409, "STDIN_CLOSED", "POST", "/v1/processes/"+none["id"].(string)+"/stdin", "x")
	a.refused(404, "PROCESS_NOT_FOUND", "POST", "/v1/processes/none/stdin", "x")
}

func TestStdinWriterThatLeavesFreesTheNext(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("sleep 0.5; cat | wc -c").with("stdin", "pipe").with("follow", true)
	resp := a.open("POST", "/v1/processes", s)
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if r, err := a.http.Do(a.request(ctx, "POST", "/v1/processes/"+s["id"].(string)+"/stdin", strings.Repeat("x", 1<<20))); err == nil {
		r.Body.Close()
		t.Fatal("a full pipe took a megabyte")
	}
	a.want(204, "POST", "/v1/processes/"+s["id"].(string)+"/stdin?close=1", "y", nil)
	if res := readStream(t, resp.Body); *res.last.ExitCode != 0 {
		t.Fatalf("%+v", res.last)
	}
}

func TestScriptIsPrivateAndRemoved(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("")
	s["argv"] = []string{"/bin/sh", "-c", `cat "$0"; stat -c %a:%u $(dirname "$0"); touch $(dirname "$0")/junk; echo "$0"; echo "$1"`, "{script}", "x={script}"}
	s["script"] = map[string]string{"name": "main.txt", "content": "söme text\n"}
	res := a.run(s)
	lines := strings.Split(string(res.stdout), "\n")
	if len(lines) < 4 || lines[0] != "söme text" || lines[1] != "700:1000" || !strings.HasSuffix(lines[2], "/main.txt") || lines[3] != "x="+lines[2] {
		t.Fatalf("got %q", lines)
	}
	waitFor(t, "the script's folder to go", func() bool {
		_, err := os.Stat(filepath.Dir(lines[2]))
		return os.IsNotExist(err)
	})
}

func TestSignals(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done").with("follow", true)
	resp := a.open("POST", "/v1/processes", s)
	defer resp.Body.Close()
	readUntil(t, resp.Body, "ready\n")
	a.refused(400, "INVALID_REQUEST", "POST", "/v1/processes/"+s["id"].(string)+"/signal", spec{"signal": "SIGNONE"})
	a.want(204, "POST", "/v1/processes/"+s["id"].(string)+"/signal", spec{"signal": "SIGTERM", "scope": "process"}, nil)
	res := readStream(t, resp.Body)
	if string(res.stdout) != "caught\n" || *res.last.ExitCode != 7 || *res.last.Reason != "exited" {
		t.Fatalf("%q %+v", res.stdout, res.last)
	}
	a.refused(404, "PROCESS_NOT_FOUND", "POST", "/v1/processes/"+s["id"].(string)+"/signal", spec{"signal": "SIGTERM"})
	res = a.run(command("kill -SEGV $$"))
	if *res.last.ExitCode != 139 || *res.last.Signal != "SIGSEGV" || *res.last.Reason != "signaled" {
		t.Fatalf("%+v", res.last)
	}
}

func readUntil(t *testing.T, r io.Reader, text string) {
	t.Helper()
	got := ""
	for !strings.Contains(got, text) {
		kind, payload, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		if kind == mixed.Stdout {
			got += string(payload)
		}
	}
}

func TestBackgroundChildThatHoldsThePipesDelaysTheEndByDrainOnly(t *testing.T) {
	needRoot(t)
	a := listening(t)
	start := time.Now()
	s := command("(sleep 0.3; echo late; exec sleep 60) & echo now").with("drain_ms", 100)
	res := a.run(s)
	if took := time.Since(start); took > 2*time.Second || string(res.stdout) != "now\n" {
		t.Fatalf("%v, %q", took, res.stdout)
	}
	if res.last.Leftovers < 1 || *res.last.Reason != "exited" {
		t.Fatalf("%+v", res.last)
	}
	var late result
	waitFor(t, "late output in the ring", func() bool {
		resp := a.open("GET", "/v1/processes/"+s["id"].(string)+"/output", nil)
		defer resp.Body.Close()
		late = readStream(t, resp.Body)
		return string(late.stdout) == "now\nlate\n"
	})
	var killed struct {
		Killed   int
		Complete bool
	}
	a.want(200, "POST", "/v1/processes/"+s["id"].(string)+"/kill", nil, &killed)
	if killed.Killed != 1 || !killed.Complete {
		t.Fatalf("%+v", killed)
	}
}

func TestFinishedProcessIsForgottenAfterKeep(t *testing.T) {
	needRoot(t)
	a := listening(t)
	s := command("true").with("keep_ms", 50)
	a.run(s)
	waitFor(t, "the process to be forgotten", func() bool {
		resp, _ := a.do("GET", "/v1/processes/"+s["id"].(string), nil)
		return resp.StatusCode == http.StatusNotFound
	})
	a.run(s) // its id is free again
}

func TestManyAtOnceAllAnswer(t *testing.T) {
	needRoot(t)
	a := listening(t)
	const n = 200
	results := make(chan string, n)
	for i := range n {
		go func() {
			s := command(fmt.Sprintf("echo %d", i)).with("follow", true)
			resp, err := a.http.Do(a.request(context.Background(), "POST", "/v1/processes", s))
			if err != nil {
				results <- err.Error()
				return
			}
			defer resp.Body.Close()
			if res := readStream(t, resp.Body); !res.ended || string(res.stdout) != fmt.Sprintf("%d\n", i) {
				results <- fmt.Sprintf("%d: %+v", i, res)
				return
			}
			results <- ""
		}()
	}
	for range n {
		if bad := <-results; bad != "" {
			t.Error(bad)
		}
	}
}
