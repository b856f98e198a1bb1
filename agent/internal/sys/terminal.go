package sys

import (
	"syscall"
	"unsafe"
)

// UnlockTerminal allows the other end of the pseudo terminal master to be opened.
func UnlockTerminal(master int) error {
	var locked int32
	return ioctl(master, syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
}

// TerminalPeer opens the other end of the pseudo terminal master, whatever is at /dev/pts.
func TerminalPeer(master int) (int, error) {
	const tiocgptpeer = 0x5441
	fd, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(master), tiocgptpeer, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// TerminalNumber is the name of the other end of the pseudo terminal master in /dev/pts.
func TerminalNumber(master int) (int, error) {
	var n uint32
	err := ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&n))
	return int(n), err
}

// SetWindowSize tells a terminal its size in characters; its programs get SIGWINCH when it is another one.
func SetWindowSize(fd int, cols, rows uint16) error {
	size := struct{ rows, cols, _, _ uint16 }{rows: rows, cols: cols}
	return ioctl(fd, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// DupCloexec duplicates a descriptor that no child gets.
func DupCloexec(fd int) (int, error) {
	dup, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(dup), nil
}
