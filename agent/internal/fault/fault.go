// Package fault is the agent's one error vocabulary: a code of README.md's table and a message.
package fault

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Code is one of the codes of README.md's table.
type Code string

// The codes, see README.md for their meaning.
const (
	InvalidRequest       Code = "INVALID_REQUEST"
	NotFound             Code = "NOT_FOUND"
	NotADirectory        Code = "NOT_A_DIRECTORY"
	IsADirectory         Code = "IS_A_DIRECTORY"
	NotARegularFile      Code = "NOT_A_REGULAR_FILE"
	PermissionDenied     Code = "PERMISSION_DENIED"
	AlreadyExists        Code = "ALREADY_EXISTS"
	PreconditionFailed   Code = "PRECONDITION_FAILED"
	WatchLimit           Code = "WATCH_LIMIT"
	Refused              Code = "REFUSED"
	ArchiveUnsafe        Code = "ARCHIVE_UNSAFE"
	TooLarge             Code = "TOO_LARGE"
	RangeNotSatisfiable  Code = "RANGE_NOT_SATISFIABLE"
	NoSpace              Code = "NO_SPACE"
	ReadOnly             Code = "READ_ONLY"
	UserNotFound         Code = "USER_NOT_FOUND"
	CwdNotFound          Code = "CWD_NOT_FOUND"
	CwdNotADirectory     Code = "CWD_NOT_A_DIRECTORY"
	CwdNotAccessible     Code = "CWD_NOT_ACCESSIBLE"
	CommandNotFound      Code = "COMMAND_NOT_FOUND"
	CommandNotExecutable Code = "COMMAND_NOT_EXECUTABLE"
	ProcessNotFound      Code = "PROCESS_NOT_FOUND"
	ProcessExists        Code = "PROCESS_EXISTS"
	ContextNotFound      Code = "CONTEXT_NOT_FOUND"
	ContextExists        Code = "CONTEXT_EXISTS"
	TooManyContexts      Code = "TOO_MANY_CONTEXTS"
	LanguageNotFound     Code = "LANGUAGE_NOT_FOUND"
	StdinClosed          Code = "STDIN_CLOSED"
	TooManyProcesses     Code = "TOO_MANY_PROCESSES"
	TerminalUnavailable  Code = "TERMINAL_UNAVAILABLE"
	PortNotOpen          Code = "PORT_NOT_OPEN"
	TooManyTunnels       Code = "TOO_MANY_TUNNELS"
	ShuttingDown         Code = "SHUTTING_DOWN"
	Internal             Code = "INTERNAL"
)

// Error is what every package of the agent returns to the API.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// New makes an Error; the message names the thing and the fact.
func New(code Code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// Of finds the Error in err, or translates an errno; what names the thing, verb and path.
func Of(err error, what string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return New(InvalidRequest, "%s: the caller left", what) // nobody reads it
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return New(codeOf(errno), "%s: %s", what, errno.Error())
	}
	return New(Internal, "%s: %v", what, err)
}

func codeOf(errno syscall.Errno) Code {
	switch errno {
	case syscall.ENOENT:
		return NotFound
	case syscall.ENOTDIR:
		return NotADirectory
	case syscall.EISDIR:
		return IsADirectory
	case syscall.EACCES, syscall.EPERM:
		return PermissionDenied
	case syscall.EEXIST, syscall.ENOTEMPTY:
		return AlreadyExists
	case syscall.ENOSPC, syscall.EDQUOT:
		return NoSpace
	case syscall.EROFS:
		return ReadOnly
	case syscall.EBUSY:
		return Refused
	case syscall.EFBIG:
		return TooLarge
	case syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL, syscall.EXDEV:
		return InvalidRequest
	case syscall.ENXIO, syscall.ENODEV:
		return NotARegularFile
	case syscall.EAGAIN:
		return TooManyProcesses
	}
	return Internal
}
