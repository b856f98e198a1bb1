package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const guestImage = "k2agent-test-guest"

// docker runs the engine's client, or skips the test where there is none.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// contained starts the released agent as PID 1 of a strict container whose image holds one program and whose default
// user is not root. It dials a socket of the test's.
func contained(t *testing.T, more ...string) (*agent, string) {
	t.Helper()
	if os.Getuid() != 0 || exec.Command("docker", "version").Run() != nil {
		t.Skip("needs root and a Docker engine")
	}
	dir, err := os.MkdirTemp("/tmp", "k2-agent-container-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	for _, b := range [][2]string{{"bin/agent", "."}, {"image/guest", "../../testdata/guest"}} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=test", "-o", filepath.Join(dir, b[0]), b[1])
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	pack := exec.Command("sh", "-c", `tar -C "$0" -c guest | docker import --change "USER 1000:1000" - `+guestImage, filepath.Join(dir, "image"))
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", guestImage).Run() })
	must(t, os.Mkdir(filepath.Join(dir, "run"), 0o755))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "run", "link.sock")})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	must(t, os.Chmod(filepath.Join(dir, "run", "link.sock"), 0o666))
	args := []string{
		"run", "-d", "--user", "0", "--network", "none", "--read-only", "--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID",
		"--cap-add", "KILL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:rw,exec,size=8m,mode=1777",
		"-e", "K2_AGENT_TOKEN=" + token, "-v", filepath.Join(dir, "bin") + ":/.k2:ro", "-v", filepath.Join(dir, "run") + ":/.k2run:ro",
	}
	args = append(append(args, more...), "--entrypoint", "/.k2/agent", guestImage, "serve", "--dial", "/.k2run/link.sock")
	id := docker(t, args...)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("docker", "logs", id).CombinedOutput()
			t.Logf("the agent said: %s", out)
		}
		_ = exec.Command("docker", "rm", "-f", id).Run()
	})
	a := &agent{t: t, log: nil}
	a.over(greet(t, l, "OK\n"))
	t.Cleanup(a.http.CloseIdleConnections)
	return a, id
}

func guest(args ...string) spec {
	return spec{"id": nextID(), "argv": append([]string{"/guest"}, args...), "cwd": "/", "user": user, "env": map[string]string{}}
}

// resident is the agent's memory in bytes, as the host sees it.
func resident(t *testing.T, id string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + docker(t, "inspect", "-f", "{{.State.Pid}}", id) + "/status")
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	must(t, err)
	return n << 10
}

func TestStrictContainerWithNothingButOneProgram(t *testing.T) {
	a, id := contained(t, "--pids-limit", "128")
	var info struct{ PID int }
	a.want(200, "GET", "/v1/info", nil, &info)
	if info.PID != 1 {
		t.Fatalf("%+v", info)
	}
	t.Logf("idle: %d KiB resident", resident(t, id)>>10)
	if rss := resident(t, id); rss > 12<<20 {
		t.Errorf("%d bytes resident", rss)
	}
	res := a.run(guest("hello"))
	if got, want := string(res.stdout), "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nhello 1000 1000 /\n"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	for _, who := range []string{user, "0:0"} {
		if res := a.run(guest("touch").with("user", who)); string(res.stdout) != "true true true true\n" {
			t.Fatalf("as %s something of PID 1 could be opened: %q", who, res.stdout)
		}
	}
	a.want(200, "GET", "/v1/info", nil, nil) // and is alive after root's SIGKILL
	a.want(200, "PUT", file("/content", "/tmp/f", user), "text", nil)
	a.refused(403, "READ_ONLY", "PUT", file("/content", "/f", "0"), "text")
	a.refused(403, "READ_ONLY", "PUT", file("/content", "/new/f", "0"), "text")
	a.refused(507, "NO_SPACE", "PUT", file("/content", "/tmp/big", user), strings.Repeat("x", 16<<20))
	a.refused(400, "REFUSED", "DELETE", file("", "/.k2", "0", "recursive=1"), nil)
	a.refused(400, "REFUSED", "GET", file("/content", "/proc/1/status", "0"), nil)
	s := guest("sleep").with("script", map[string]string{"name": "x", "content": "y"})
	a.start(s)
	a.want(204, "DELETE", "/v1/processes/"+s["id"].(string), nil, nil)
	out, err := exec.Command("docker", "exec", "-i", id, "/.k2/agent", "version").CombinedOutput()
	if err != nil || string(out) != "test\n" {
		t.Fatalf("%v %q", err, out)
	}
}

func TestFullProcessTable(t *testing.T) {
	a, _ := contained(t, "--pids-limit", "80")
	bomb := guest("bomb")
	a.start(bomb)
	waitFor(t, "the table to fill", func() bool {
		resp, _ := a.do("POST", "/v1/processes", guest("hello"))
		return resp.StatusCode == 503
	})
	a.refused(503, "TOO_MANY_PROCESSES", "POST", "/v1/processes", guest("hello"))
	// Many calls that block threads at once: none may need a new one.
	results := make(chan error, 200)
	for i := range 200 {
		go func() {
			path := []string{file("/stat", "/guest", user), file("/content", "/guest", user), file("/list", "/", user), "/v1/info"}[i%4]
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			resp, err := a.http.Do(a.request(ctx, "GET", path, nil))
			if err == nil {
				err = resp.Body.Close()
			}
			results <- err
		}()
	}
	for range 200 {
		must(t, <-results)
	}
	var k killed
	a.want(200, "POST", "/v1/processes/"+bomb["id"].(string)+"/kill", nil, &k)
	if !k.Complete || k.Killed < 10 {
		t.Fatalf("%+v", k)
	}
	if res := a.run(guest("hello")); !strings.Contains(string(res.stdout), "hello") {
		t.Fatalf("%q", res.stdout)
	}
}

func TestOutOfMemoryIsNamedAndTheAgentLives(t *testing.T) {
	a, _ := contained(t, "--memory", "64m", "--memory-swap", "64m")
	res := a.run(guest("memory"))
	if *res.last.Reason != "out_of_memory" || *res.last.ExitCode != 137 || *res.last.Signal != "SIGKILL" {
		t.Fatalf("reason %s, exit code %d", *res.last.Reason, *res.last.ExitCode)
	}
	if res.last.Memory < 20<<20 {
		t.Fatalf("peak %d", res.last.Memory)
	}
	if res := a.run(guest("hello")); *res.last.Reason != "exited" {
		t.Fatalf("%+v", res.last)
	}
}

func TestConnectInTheContainer(t *testing.T) {
	dir := "/run/k2" // a tmpfs of the container
	if os.Getuid() != 0 || exec.Command("docker", "version").Run() != nil {
		t.Skip("needs root and a Docker engine")
	}
	_, id := contained(t, "--tmpfs", "/run:rw,size=1m")
	// A second agent in the same container is not PID 1: connect must refuse it.
	second := exec.Command("docker", "exec", id, "/.k2/agent", "serve", "--listen", dir+"/agent.sock")
	must(t, second.Start())
	defer func() { _ = second.Process.Kill(); _ = second.Wait() }()
	waitFor(t, "connect to meet the second agent", func() bool {
		out, err := exec.Command("docker", "exec", "-i", id, "/.k2/agent", "connect", dir+"/agent.sock").CombinedOutput()
		if err == nil {
			t.Fatal("joined what is not PID 1")
		}
		return strings.Contains(string(out), "not to the agent")
	})
}
