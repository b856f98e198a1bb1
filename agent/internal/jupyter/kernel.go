package jupyter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	address      = "127.0.0.1"
	retryConnect = 20 * time.Millisecond
	askAgain     = 100 * time.Millisecond
	// broadcastWithin is how long the first broadcast may come after the first answer.
	broadcastWithin = 2 * time.Second
	// queued messages of a kernel wait for the agent; a full queue slows the kernel down.
	queued = 256
)

// kernel is a running one, and what we have to it.
type kernel struct {
	spec    *kernelspec
	session *session
	process *exec.Cmd
	ended   chan struct{} // closed when its process has ended
	state   *os.ProcessState

	shell, control, iopub *socket
	replies, published    chan *message
}

// connectionFile tells a kernel where to listen (Jupyter client, "connection files").
type connectionFile struct {
	Transport       string `json:"transport"`
	IP              string `json:"ip"`
	Shell           int    `json:"shell_port"`
	IOPub           int    `json:"iopub_port"`
	Stdin           int    `json:"stdin_port"`
	Control         int    `json:"control_port"`
	Heartbeat       int    `json:"hb_port"`
	Key             string `json:"key"`
	SignatureScheme string `json:"signature_scheme"`
	KernelName      string `json:"kernel_name"`
}

// startKernel starts it and connects. It is told its key by a file in folder that only its user can read: it may read it, and IPython
// writes it again, until `answer`.
func startKernel(name, folder string) (*kernel, error) {
	spec, err := findKernelspec(name)
	if err != nil {
		return nil, err
	}
	k := &kernel{
		spec: spec, session: newSession(), ended: make(chan struct{}),
		replies: make(chan *message, queued), published: make(chan *message, queued),
	}
	ports, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	file := connectionFile{
		"tcp", address, ports[0], ports[1], ports[2], ports[3], ports[4], string(k.session.key), "hmac-sha256", name,
	}
	if err := k.launch(filepath.Join(folder, "connection.json"), file); err != nil {
		return nil, fmt.Errorf("the kernel %s could not be started: %w", name, err)
	}
	for _, s := range []struct {
		socket **socket
		port   int
		kind   string
	}{{&k.shell, file.Shell, "DEALER"}, {&k.iopub, file.IOPub, "SUB"}, {&k.control, file.Control, "DEALER"}} {
		if *s.socket, err = k.connect(s.port, s.kind); err != nil {
			return k, err
		}
	}
	go k.receive(k.shell, k.replies)
	go k.receive(k.iopub, k.published)
	go k.receive(k.control, nil)
	return k, nil
}

func (k *kernel) launch(path string, file connectionFile) error {
	text, _ := json.Marshal(file) // plain data always encodes
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	argv := k.spec.command(path)
	k.process = exec.Command(argv[0], argv[1:]...)
	k.process.Env = k.spec.environment()
	k.process.Stdout, k.process.Stderr = os.Stdout, os.Stderr
	k.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // interrupts reach it through us
	if err := k.process.Start(); err != nil {
		return err
	}
	go func() {
		_ = k.process.Wait()
		k.state = k.process.ProcessState
		close(k.ended)
	}()
	return nil
}

// Ports are taken from below those that the system gives to outgoing connections: one to a port where nobody listens yet may
// be given that very port, and be connected to itself.
const (
	firstPort, lastPort = 10_000, 32_000
	portTries           = 1000
)

// freePorts finds ports of the loopback that nobody listens on. Another program may take one before the kernel does: then that fails to start.
func freePorts(count int) ([]int, error) {
	var ports []int
	for range portTries {
		if len(ports) == count {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", address+":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		defer l.Close() // only now: each is another's
		ports = append(ports, port)
	}
	return nil, errors.New("there are no free ports on the loopback")
}

// connect tries until the kernel listens; how long that may take is for who waits for us to say.
func (k *kernel) connect(port int, kind string) (*socket, error) {
	for {
		s, err := dialSocket(address+":"+strconv.Itoa(port), kind)
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
			return s, err
		}
		select {
		case <-k.ended:
			return nil, fmt.Errorf("the kernel ended while it started: %v", k.state)
		case <-time.After(retryConnect):
		}
	}
}

// receive passes on what comes. What can't be read ends the kernel: nothing that it says later could be believed.
func (k *kernel) receive(s *socket, to chan<- *message) {
	for {
		parts, err := s.receive()
		if err != nil {
			k.kill()
			return
		}
		m, err := k.session.open(parts)
		if err != nil {
			fmt.Fprintln(os.Stderr, "the kernel:", err)
			k.kill()
			return
		}
		if to != nil {
			to <- m
		}
	}
}

// answer asks the kernel who it is until its answer came and its broadcasts arrive: those of before the subscription are lost.
func (k *kernel) answer() (version string, err error) {
	heard := false
	var asked string
	ask := time.NewTimer(0)
	defer ask.Stop()
	answered := false
	var enough <-chan time.Time // some broadcast nothing about it
	for !answered || !heard {
		select {
		case <-ask.C:
			var parts [][]byte
			asked, parts = k.session.request("kernel_info_request", struct{}{})
			if err := k.shell.send(parts); err != nil {
				return "", err
			}
			ask.Reset(askAgain)
		case m := <-k.replies:
			if m.Type == "kernel_info_reply" {
				version, answered = readVersion(m.content), true
				if enough == nil {
					enough = time.After(broadcastWithin)
				}
			}
		case <-enough:
			heard = true
		case m := <-k.published:
			heard = heard || m.parent == asked || m.Type == "status"
		case <-k.ended:
			return "", fmt.Errorf("the kernel ended while it started: %v", k.state)
		}
	}
	return version, nil
}

func readVersion(content json.RawMessage) string {
	var info struct {
		Language struct {
			Version string `json:"version"`
		} `json:"language_info"`
	}
	_ = json.Unmarshal(content, &info) // without it the version is not known
	return info.Language.Version
}

// interrupt stops what the kernel executes, in the way that it asks for.
func (k *kernel) interrupt() {
	if k.spec.InterruptMode == "message" {
		_, parts := k.session.request("interrupt_request", struct{}{})
		_ = k.control.send(parts)
		return
	}
	_ = syscall.Kill(-k.process.Process.Pid, syscall.SIGINT)
}

// shutdown lets it end in order, for a while.
func (k *kernel) shutdown(within time.Duration) {
	_, parts := k.session.request("shutdown_request", map[string]bool{"restart": false})
	_ = k.control.send(parts)
	select {
	case <-k.ended:
	case <-time.After(within):
		k.kill()
		<-k.ended
	}
}

func (k *kernel) kill() { _ = syscall.Kill(-k.process.Process.Pid, syscall.SIGKILL) }
