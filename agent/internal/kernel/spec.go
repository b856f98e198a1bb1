package kernel

import (
	"time"

	"k2sandbox.dev/agent/internal/drivers"
	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/output"
	"k2sandbox.dev/agent/internal/proc"
)

// Spec says what context to make; see README.md.
type Spec struct {
	ID       string            `json:"id"`
	Language string            `json:"language"`
	Kernel   string            `json:"kernel"` // of the image, instead of a driver of ours
	Cwd      string            `json:"cwd"`
	User     string            `json:"user"`
	Env      map[string]string `json:"env"`
}

// RunSpec says what to run in a context; see README.md.
type RunSpec struct {
	ID           string            `json:"id"`
	Code         string            `json:"code"`
	Cwd          string            `json:"cwd"`
	Env          map[string]string `json:"env"`
	TimeoutMs    int64             `json:"timeout_ms"`
	BufferBytes  int               `json:"buffer_bytes"`
	DisplayBytes int               `json:"display_bytes"`
	CheckTypes   bool              `json:"check_types"`
	KeepMs       *int64            `json:"keep_ms"`
	Follow       bool              `json:"follow"`
	Time         bool              `json:"time"`
}

const (
	minBuffer, defaultBuffer, maxBuffer    = 4 << 10, 1 << 20, 16 << 20
	minDisplay, defaultDisplay, maxDisplay = 1 << 10, 8 << 20, 16 << 20
	maxTimeoutMs                           = 30 * 24 * 3_600_000
	defaultKeepMs, maxKeepMs               = 60_000, 3_600_000
)

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidRequest, format, args...)
}

// newContext makes one that has no interpreter yet, if the language is known and the user can work in the folder.
func newContext(t *Table, spec Spec) (*Context, error) {
	if !proc.ValidID(spec.ID) {
		return nil, invalid("id: need 1 to 64 of [A-Za-z0-9_-]")
	}
	driver, err := driverOf(spec)
	if err != nil {
		return nil, err
	}
	if err := proc.CheckEnv(spec.Env); err != nil {
		return nil, err
	}
	user, err := identity.Resolve(spec.User)
	if err != nil {
		return nil, err
	}
	if err := proc.CheckCwd(user, spec.Cwd); err != nil {
		return nil, err
	}
	return &Context{
		ID: spec.ID, language: spec.Language, cwd: spec.Cwd, userSpec: spec.User,
		table: t, driver: driver, env: spec.Env, user: user, createdAt: time.Now(),
	}, nil
}

func driverOf(spec Spec) (*drivers.Driver, error) {
	if spec.Kernel != "" {
		driver, err := drivers.Jupyter(spec.Kernel)
		if err != nil {
			return nil, fault.Of(err, "finding this program")
		}
		return driver, nil
	}
	driver, ok := drivers.Of(spec.Language)
	if !ok {
		return nil, fault.New(fault.LanguageNotFound, "there is no driver for %q", spec.Language[:min(len(spec.Language), 64)])
	}
	return driver, nil
}

// newRun makes one that waits.
func newRun(c *Context, spec RunSpec) (*Run, error) {
	if !proc.ValidID(spec.ID) {
		return nil, invalid("id: need 1 to 64 of [A-Za-z0-9_-]")
	}
	if spec.BufferBytes == 0 {
		spec.BufferBytes = defaultBuffer
	}
	if spec.DisplayBytes == 0 {
		spec.DisplayBytes = defaultDisplay
	}
	switch {
	case spec.BufferBytes < minBuffer || spec.BufferBytes > maxBuffer:
		return nil, invalid("buffer_bytes: need %d to %d", minBuffer, maxBuffer)
	case spec.DisplayBytes < minDisplay || spec.DisplayBytes > maxDisplay:
		return nil, invalid("display_bytes: need %d to %d", minDisplay, maxDisplay)
	case spec.TimeoutMs < 0 || spec.TimeoutMs > maxTimeoutMs:
		return nil, invalid("timeout_ms: need 0 to %d", int64(maxTimeoutMs))
	case spec.KeepMs != nil && (*spec.KeepMs < 0 || *spec.KeepMs > maxKeepMs):
		return nil, invalid("keep_ms: need 0 to %d", maxKeepMs)
	case spec.CheckTypes && !c.driver.ChecksTypes:
		return nil, invalid("check_types: only TypeScript has types to check")
	}
	if err := proc.CheckEnv(spec.Env); err != nil {
		return nil, err
	}
	request := drivers.Run{ID: spec.ID, Code: spec.Code, Env: spec.Env, DisplayBytes: spec.DisplayBytes, CheckTypes: spec.CheckTypes}
	if spec.Cwd != "" {
		if err := proc.CheckCwd(c.user, spec.Cwd); err != nil {
			return nil, err
		}
		request.Cwd = &spec.Cwd
	}
	r := &Run{
		ID: spec.ID, context: c, spec: spec, request: c.driver.Encode(request), queuedAt: time.Now(), done: make(chan struct{}),
		ring: output.NewWithEvents(spec.BufferBytes, spec.DisplayBytes, pumps),
	}
	r.spec.Code, r.spec.Env = "", nil // the request holds them
	if spec.Follow {
		r.first, _ = r.ring.Follow(0, spec.Time)
	}
	return r, nil
}

func (s *RunSpec) keep() time.Duration {
	if s.KeepMs == nil {
		return defaultKeepMs * time.Millisecond
	}
	return time.Duration(*s.KeepMs) * time.Millisecond
}
