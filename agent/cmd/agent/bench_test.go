package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"k2sandbox.dev/agent/internal/mixed"
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

// benchTunnel gives both ends of a tunnel.
func benchTunnel(b *testing.B) (client *tunnel, program net.Conn) {
	b.Helper()
	a := benchAgent(b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err = a.tunnelTo(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		b.Fatal(err)
	}
	program, err = l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { program.Close(); client.leave(); client.PipeWriter.Close() })
	return client, program
}

// benchCopy is a MiB an operation through one direction.
func benchCopy(b *testing.B, to io.Writer, from io.Reader) {
	const size = 1 << 20
	b.SetBytes(size)
	go func() {
		data := make([]byte, size)
		for range b.N {
			_, _ = to.Write(data)
		}
	}()
	b.ResetTimer()
	if _, err := io.CopyN(io.Discard, from, int64(b.N)*size); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTunnelUp is from the client to the program.
func BenchmarkTunnelUp(b *testing.B) {
	client, program := benchTunnel(b)
	benchCopy(b, client, program)
}

// BenchmarkTunnelDown is from the program to the client.
func BenchmarkTunnelDown(b *testing.B) {
	client, program := benchTunnel(b)
	benchCopy(b, program, client)
}

// BenchmarkTunnelRoundTrip is a byte to the program and one back.
func BenchmarkTunnelRoundTrip(b *testing.B) {
	client, program := benchTunnel(b)
	go func() { _, _ = io.Copy(program, program) }()
	one := make([]byte, 1)
	b.ResetTimer()
	for range b.N {
		if _, err := client.Write(one); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, one); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoopback is the floor of both: a TCP connection without a tunnel.
func BenchmarkLoopback(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	program, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer program.Close()
	benchCopy(b, client, program)
}

// BenchmarkTerminalKey is a byte typed into cat on a terminal, and its echo.
func BenchmarkTerminalKey(b *testing.B) {
	a := benchAgent(b)
	resp, err := a.http.Do(a.request(context.Background(), "POST", "/v1/processes", command("exec cat").with("id", "key").with("pty", size{80, 24}).with("follow", true)))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, keys := io.Pipe()
	go func() {
		if r, err := a.http.Do(a.request(context.Background(), "POST", "/v1/processes/key/stdin", body)); err == nil {
			r.Body.Close()
		}
	}()
	defer keys.Close()
	b.ResetTimer()
	for range b.N {
		if _, err := keys.Write([]byte("\n")); err != nil {
			b.Fatal(err)
		}
		for seen := 0; seen < len("\r\n\r\n"); { // the echo, and what cat says
			kind, payload, err := readFrame(resp.Body)
			if err != nil {
				b.Fatal(err)
			}
			if kind == mixed.Stdout {
				seen += len(payload)
			}
		}
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
