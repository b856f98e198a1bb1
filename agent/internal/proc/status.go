package proc

import (
	"strings"
	"syscall"
	"unicode/utf8"
)

// Status is what the API tells of a process. Times are unix milliseconds.
type Status struct {
	ID              string   `json:"id"`
	PID             int      `json:"pid"`
	Argv            []string `json:"argv"`
	Cwd             string   `json:"cwd"`
	User            string   `json:"user"`
	State           string   `json:"state"`
	StartedAt       int64    `json:"started_at"`
	EndedAt         *int64   `json:"ended_at"`
	ExitCode        *int     `json:"exit_code"`
	Signal          *string  `json:"signal"`
	Reason          *string  `json:"reason"`
	CPUSeconds      float64  `json:"cpu_seconds"`
	PeakMemoryBytes int64    `json:"peak_memory_bytes"`
	WallSeconds     float64  `json:"wall_seconds"`
	OutputBytes     int64    `json:"output_bytes"`
	DroppedBytes    int64    `json:"dropped_bytes"`
	Leftovers       int      `json:"leftovers"`
	Label           string   `json:"label,omitempty"`
	KeepAlive       bool     `json:"keep_alive,omitempty"`
	PTY             *Size    `json:"pty,omitempty"`
	// Of a run in a context only.
	ContextID string `json:"context_id,omitempty"`
	StateLost bool   `json:"state_lost,omitempty"`
}

// How a process ended (Status.Reason).
const (
	ReasonExited      = "exited"
	ReasonSignaled    = "signaled"
	ReasonTimeout     = "timeout"
	ReasonOutOfMemory = "out_of_memory"
	ReasonKilled      = "killed"
	ReasonRestarted   = "restarted" // a run whose context was restarted
)

// timeoutExitCode is what timeout(1) exits with.
const timeoutExitCode = 124

// A status shows this much of the command line: it goes out twice per process.
const (
	shownArgs     = 64
	shownArgBytes = 1024
)

func shownArgv(argv []string) []string {
	shown := make([]string, min(len(argv), shownArgs))
	for i := range shown {
		shown[i] = argv[i]
		if len(argv[i]) > shownArgBytes {
			cut := shownArgBytes
			for cut > 0 && !utf8.RuneStart(argv[i][cut]) {
				cut--
			}
			shown[i] = argv[i][:cut] + "…"
		}
	}
	return shown
}

var signalNames = map[syscall.Signal]string{
	syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGQUIT: "SIGQUIT", syscall.SIGILL: "SIGILL",
	syscall.SIGTRAP: "SIGTRAP", syscall.SIGABRT: "SIGABRT", syscall.SIGBUS: "SIGBUS", syscall.SIGFPE: "SIGFPE",
	syscall.SIGKILL: "SIGKILL", syscall.SIGUSR1: "SIGUSR1", syscall.SIGSEGV: "SIGSEGV", syscall.SIGUSR2: "SIGUSR2",
	syscall.SIGPIPE: "SIGPIPE", syscall.SIGALRM: "SIGALRM", syscall.SIGTERM: "SIGTERM", syscall.SIGSTKFLT: "SIGSTKFLT",
	syscall.SIGCHLD: "SIGCHLD", syscall.SIGCONT: "SIGCONT", syscall.SIGSTOP: "SIGSTOP", syscall.SIGTSTP: "SIGTSTP",
	syscall.SIGTTIN: "SIGTTIN", syscall.SIGTTOU: "SIGTTOU", syscall.SIGURG: "SIGURG", syscall.SIGXCPU: "SIGXCPU",
	syscall.SIGXFSZ: "SIGXFSZ", syscall.SIGVTALRM: "SIGVTALRM", syscall.SIGPROF: "SIGPROF", syscall.SIGWINCH: "SIGWINCH",
	syscall.SIGIO: "SIGIO", syscall.SIGPWR: "SIGPWR", syscall.SIGSYS: "SIGSYS",
}

func signalName(sig syscall.Signal) string {
	if name, ok := signalNames[sig]; ok {
		return name
	}
	return "SIGRT" + itoa(int(sig))
}

// ParseSignal finds a signal by its name, with or without SIG.
func ParseSignal(name string) (syscall.Signal, bool) {
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	for sig, known := range signalNames {
		if known == name {
			return sig, true
		}
	}
	return 0, false
}
