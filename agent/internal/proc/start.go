package proc

import (
	"context"
	"os"
	"strings"
	"syscall"
	"time"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/mixed"
	"k2sandbox.dev/agent/internal/output"
)

// Script is a file that exists while the process runs.
type Script struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

// Spec says what to start; see README.md.
type Spec struct {
	ID          string            `json:"id"`
	Argv        []string          `json:"argv"`
	Env         map[string]string `json:"env"`
	Cwd         string            `json:"cwd"`
	User        string            `json:"user"`
	Stdin       string            `json:"stdin"`
	PTY         *Size             `json:"pty"`
	Script      *Script           `json:"script"`
	TimeoutMs   int64             `json:"timeout_ms"`
	BufferBytes int               `json:"buffer_bytes"`
	DrainMs     *int64            `json:"drain_ms"`
	KeepMs      *int64            `json:"keep_ms"`
	Label       string            `json:"label"`
	KeepAlive   bool              `json:"keep_alive"`

	// Of the interpreter of a context: what it gets as descriptors 3 and up, and what makes of its outputs the pumps that read
	// and close them, instead of those into a ring of its own. It is in no list, and its id can't be asked for.
	Files  []*os.File                                      `json:"-"`
	Attach func(stdout, stderr *os.File) (pumps [2]func()) `json:"-"`
}

const (
	minBuffer, defaultBuffer, maxBuffer = 4 << 10, 1 << 20, 16 << 20
	defaultDrainMs, maxDrainMs          = 200, 60_000
	defaultKeepMs, maxKeepMs            = 60_000, 3_600_000
	maxTimeoutMs                        = 30 * 24 * 3_600_000
	maxArgs, maxEnv                     = 4096, 4096
	maxArgBytes                         = 128<<10 - 1 // MAX_ARG_STRLEN of the kernel
	maxLabelBytes                       = 1024
)

// Start starts a process as its user. On success the process is in the table until it is finished and forgotten.
// Nothing is started when ctx has ended: whoever left may have asked for a kill already, which found nothing then.
func (t *Table) Start(ctx context.Context, spec Spec) (*Process, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	user, err := identity.Resolve(spec.User)
	if err != nil {
		return nil, err
	}
	p := &Process{
		ID: spec.ID, table: t, user: user, ring: output.New(spec.BufferBytes, 2), stdinTurn: make(chan struct{}, 1),
		hidden:   spec.Attach != nil,
		launched: make(chan struct{}), done: make(chan struct{}),
	}
	if t.tagger.works {
		p.tag = t.tagger.random()
	}
	if err := t.reserve(p); err != nil {
		return nil, err
	}
	defer close(p.launched)
	err = ctx.Err()
	if err == nil {
		err = p.launch(spec)
	}
	if err != nil {
		t.unreserve(p)
		p.removeScript()
		return nil, err
	}
	return p, nil
}

func (s *Spec) check() error {
	invalid := func(format string, args ...any) error { return fault.New(fault.InvalidRequest, format, args...) }
	if s.Attach == nil && !ValidID(s.ID) {
		return invalid("id: need 1 to 64 of [A-Za-z0-9_-]")
	}
	if len(s.Argv) == 0 || s.Argv[0] == "" || len(s.Argv) > maxArgs {
		return invalid("argv: need 1 to %d arguments, the first not empty", maxArgs)
	}
	for i, arg := range s.Argv {
		if strings.IndexByte(arg, 0) >= 0 || len(arg) > maxArgBytes {
			return invalid("argv[%d]: NUL byte, or longer than %d bytes", i, maxArgBytes)
		}
	}
	if err := CheckEnv(s.Env); err != nil {
		return err
	}
	if !strings.HasPrefix(s.Cwd, "/") || strings.IndexByte(s.Cwd, 0) >= 0 {
		return invalid("cwd: need an absolute path")
	}
	if s.Stdin == "" {
		s.Stdin = "none"
	}
	if s.Stdin != "none" && s.Stdin != "pipe" {
		return invalid("stdin: need \"none\" or \"pipe\"")
	}
	if s.PTY != nil {
		if err := s.PTY.check(); err != nil {
			return err
		}
	}
	if s.Script != nil && (s.Script.Name == "" || s.Script.Name == "." || s.Script.Name == ".." || len(s.Script.Name) > 255 || strings.ContainsAny(s.Script.Name, "/\x00")) {
		return invalid("script.name: need a file name without a slash")
	}
	if s.BufferBytes == 0 {
		s.BufferBytes = defaultBuffer
	}
	if s.BufferBytes < minBuffer || s.BufferBytes > maxBuffer {
		return invalid("buffer_bytes: need %d to %d", minBuffer, maxBuffer)
	}
	if s.TimeoutMs < 0 || s.TimeoutMs > maxTimeoutMs {
		return invalid("timeout_ms: need 0 to %d", int64(maxTimeoutMs))
	}
	if s.DrainMs != nil && (*s.DrainMs < 0 || *s.DrainMs > maxDrainMs) {
		return invalid("drain_ms: need 0 to %d", maxDrainMs)
	}
	if s.KeepMs != nil && (*s.KeepMs < 0 || *s.KeepMs > maxKeepMs) {
		return invalid("keep_ms: need 0 to %d", maxKeepMs)
	}
	if len(s.Label) > maxLabelBytes {
		return invalid("label: longer than %d bytes", maxLabelBytes)
	}
	return nil
}

// CheckEnv fails with INVALID_REQUEST for an environment that the kernel would not take.
func CheckEnv(env map[string]string) error {
	if len(env) > maxEnv {
		return fault.New(fault.InvalidRequest, "env: more than %d variables", maxEnv)
	}
	for name, value := range env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.IndexByte(value, 0) >= 0 || len(name)+len(value) >= maxArgBytes {
			return fault.New(fault.InvalidRequest, "env %q: empty name, '=' or NUL byte, or longer than %d bytes", clip(name), maxArgBytes)
		}
	}
	return nil
}

// ValidID says whether a server may call something so.
func ValidID(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 64
}

func clip(s string) string { return s[:min(len(s), 100)] }

func milliseconds(v *int64, fallback int64) time.Duration {
	if v == nil {
		v = &fallback
	}
	return time.Duration(*v) * time.Millisecond
}

// launch makes script, pipes or terminal, and child. Whatever fails, nothing stays behind but the script's folder.
func (p *Process) launch(spec Spec) error {
	argv := spec.Argv
	if spec.Script != nil {
		path, err := p.writeScript(spec)
		if err != nil {
			return err
		}
		argv = make([]string, len(spec.Argv))
		for i, arg := range spec.Argv {
			argv[i] = strings.ReplaceAll(arg, "{script}", path)
		}
		spec.Script = nil // the content need not stay in memory
	}
	p.spec, p.argv = spec, shownArgv(argv)
	p.spec.Argv, p.spec.Env = nil, nil
	path, err := findProgram(p.user, spec, argv[0])
	if err != nil {
		return err
	}
	var pipes *pipes
	err = p.user.Do(func() (err error) {
		if spec.PTY != nil {
			pipes, err = openTerminal(*spec.PTY)
		} else {
			pipes, err = openPipes(spec.Stdin == "pipe")
		}
		return err
	})
	if err != nil {
		return fault.Of(err, "opening pipes")
	}
	p.openPipes, p.stdin = 2, pipes.stdin
	if spec.PTY != nil {
		p.openPipes, p.terminal, p.held, p.size = 1, pipes.stdout, pipes.held, spec.PTY
	}
	p.oomBefore = p.table.oom.read()
	err = p.fork(path, argv, environment(spec.Env, p.user, spec.PTY != nil), pipes)
	pipes.closeChildEnds()
	if err != nil {
		pipes.closeOurEnds()
		return startError(err, p.user, spec, argv[0], path)
	}
	pumps := []func(){
		func() { p.pump(pipes.stdout, mixed.Stdout, 0) },
		func() { p.pump(pipes.stderr, mixed.Stderr, 1) },
	}
	switch {
	case spec.Attach != nil:
		p.spec.Attach, p.spec.Files = nil, nil
		attached := spec.Attach(pipes.stdout, pipes.stderr)
		pumps = attached[:]
	case spec.PTY != nil:
		pumps = pumps[:1]
	}
	for _, pump := range pumps {
		go func() { pump(); p.pipeClosed() }()
	}
	p.afterStart(spec)
	return nil
}

// fork holds the lock that makes the tag the child's and lets the reaper know the child before it asks for it.
func (p *Process) fork(path string, argv, env []string, pipes *pipes) error {
	attr := &syscall.ProcAttr{
		Dir: p.spec.Cwd, Env: env, Files: append(pipes.child[:], descriptors(p.spec.Files)...),
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: p.terminal != nil}, // of descriptor 0
	}
	if os.Getuid() == 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: p.user.UID, Gid: p.user.GID, Groups: p.user.Groups}
	}
	t := p.table
	t.forkMu.Lock()
	defer t.forkMu.Unlock()
	if p.tag != 0 {
		if err := t.tagger.set(p.tag); err != nil {
			return err
		}
		defer t.tagger.restore()
	}
	var pid int
	var err error
	// ETXTBSY: another child of ours, between fork and exec, still holds a just written program open for writing.
	for wait := time.Millisecond; ; wait *= 2 {
		p.startedAt = time.Now()
		pid, err = syscall.ForkExec(path, argv, attr)
		if err != syscall.ETXTBSY || wait > 32*time.Millisecond {
			break
		}
		time.Sleep(wait)
	}
	if err != nil {
		return err
	}
	p.pid = pid
	t.mu.Lock()
	t.byPID[pid] = p
	t.mu.Unlock()
	return nil
}

func descriptors(files []*os.File) []uintptr {
	list := make([]uintptr, len(files))
	for i, f := range files {
		list[i] = f.Fd()
	}
	return list
}

// oomDelay leaves short commands alone: they gain nothing and would pay.
const oomDelay = 5 * time.Millisecond

// afterStart sets the timers.
func (p *Process) afterStart(spec Spec) {
	time.AfterFunc(oomDelay, p.preferForOOM)
	if spec.TimeoutMs > 0 {
		p.mu.Lock()
		if !p.reaped {
			p.timeout = time.AfterFunc(time.Duration(spec.TimeoutMs)*time.Millisecond, p.killUntilGone)
		}
		p.mu.Unlock()
	}
}

func environment(env map[string]string, user *identity.User, terminal bool) []string {
	list := make([]string, 0, len(env)+4)
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	defaults := [][2]string{{"HOME", user.Home}, {"USER", user.Name}, {"LOGNAME", user.Name}}
	if terminal {
		defaults = append(defaults, [2]string{"TERM", "xterm-256color"})
	}
	for _, extra := range defaults {
		if _, given := env[extra[0]]; !given {
			list = append(list, extra[0]+"="+extra[1])
		}
	}
	return list
}
