package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// benchAgent is listening for a benchmark.
func benchAgent(b *testing.B) *agent {
	b.Helper()
	t := &testing.T{}
	dir, err := os.MkdirTemp("", "k2-agent-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	a := spawn(t, nil, "serve", "--listen", dir+"/run/agent.sock")
	if err := a.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.cmd.Process.Signal(syscall.SIGTERM); _ = a.cmd.Wait() })
	a.http = h2client(dialUntil(dir + "/run/agent.sock"))
	return a
}

func trueProcess(b *testing.B, a *agent, n int64) {
	body := `{"id":"b` + strconv.FormatInt(n, 10) + `","argv":["/bin/true"],"cwd":"/tmp","user":"1000:1000","env":{"PATH":"/usr/bin:/bin"},"follow":true}`
	req := a.request(context.Background(), "POST", "/v1/processes", body)
	resp, err := a.http.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
}

// BenchmarkTrue is POST /v1/processes for /bin/true, followed to its end.
func BenchmarkTrue(b *testing.B) {
	a := benchAgent(b)
	trueProcess(b, a, -1)
	b.ResetTimer()
	for i := range b.N {
		trueProcess(b, a, int64(i))
	}
}

// BenchmarkTrueParallel is the same with eight at once.
func BenchmarkTrueParallel(b *testing.B) {
	a := benchAgent(b)
	var n atomic.Int64
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			trueProcess(b, a, n.Add(1))
		}
	})
}

// BenchmarkExecTrue is the floor: os/exec of the same program from this process.
func BenchmarkExecTrue(b *testing.B) {
	for range b.N {
		if err := exec.Command("/bin/true").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInfo is a round trip without work.
func BenchmarkInfo(b *testing.B) {
	a := benchAgent(b)
	for range b.N {
		resp, err := a.http.Do(a.request(context.Background(), "GET", "/v1/info", nil))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// benchRun is a warm run of code in a context.
func benchRun(b *testing.B, language, code string) {
	a := benchAgent(b)
	a.t = &testing.T{}
	resp, err := a.http.Do(a.request(context.Background(), "POST", "/v1/contexts", contextSpec(language).with("id", "bench")))
	if err != nil || resp.StatusCode != http.StatusCreated {
		b.Fatal(resp, err)
	}
	resp.Body.Close()
	run := func(n int) {
		body := `{"id":"r` + strings.ReplaceAll(strconv.Itoa(n), "-", "w") + `","code":"` + code + `","follow":true,"keep_ms":1000}`
		resp, err := a.http.Do(a.request(context.Background(), "POST", "/v1/contexts/bench/run", body))
		if err != nil {
			b.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status, err)
		}
	}
	for i := range 200 {
		run(-1 - i)
	}
	b.ResetTimer()
	for i := range b.N {
		run(i)
	}
}

// BenchmarkPythonRun is POST /v1/contexts/{id}/run for 1+1, followed to its end.
func BenchmarkPythonRun(b *testing.B) { benchRun(b, "python", "1+1") }

// BenchmarkBashRun is the same for true.
func BenchmarkBashRun(b *testing.B) { benchRun(b, "bash", "true") }

// BenchmarkNodeRun is the same for 1+1 in JavaScript.
func BenchmarkNodeRun(b *testing.B) { benchRun(b, "javascript", "1+1") }
