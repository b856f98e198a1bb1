// Package sys holds the Linux system calls that package syscall lacks or wraps
// for the whole process where one thread is meant.
package sys

import (
	"syscall"
	"unsafe"
)

// Numbers that are the same on every architecture (since Linux 5.x).
const (
	sysOpenat2    = 437
	sysFaccessat2 = 439
)

// Flags that package syscall does not define.
const (
	O_PATH              = 0x200000
	AT_FDCWD            = -100
	AT_SYMLINK_NOFOLLOW = 0x100
	AT_REMOVEDIR        = 0x200
	AT_EACCESS          = 0x200
	AT_EMPTY_PATH       = 0x1000

	RESOLVE_NO_XDEV       = 0x01
	RESOLVE_NO_MAGICLINKS = 0x02
	RESOLVE_NO_SYMLINKS   = 0x04
	RESOLVE_BENEATH       = 0x08

	RENAME_NOREPLACE = 1

	PR_SET_DUMPABLE        = 4
	PR_SET_CHILD_SUBREAPER = 36

	RLIMIT_LOCKS = 10

	ProcSuperMagic = 0x9fa0
)

type openHow struct{ flags, mode, resolve uint64 }

// Openat2 is openat2(2); EINTR and the EAGAIN of a lost race are retried.
func Openat2(dirfd int, path string, flags int, mode uint32, resolve uint64) (int, error) {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	how := openHow{uint64(flags | syscall.O_CLOEXEC), uint64(mode), resolve}
	for tries := 0; ; tries++ {
		fd, _, errno := syscall.Syscall6(sysOpenat2, uintptr(dirfd), uintptr(unsafe.Pointer(p)),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch {
		case errno == 0:
			return int(fd), nil
		case errno == syscall.EINTR, errno == syscall.EAGAIN && tries < 8:
		default:
			return -1, errno
		}
	}
}

// Openat is openat(2) with O_CLOEXEC, retried on EINTR.
func Openat(dirfd int, path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := syscall.Openat(dirfd, path, flags|syscall.O_CLOEXEC, mode)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}

func pathCall(trap uintptr, dirfd int, path string, a3, a4, a5 uintptr) error {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	for {
		_, _, errno := syscall.Syscall6(trap, uintptr(dirfd), uintptr(unsafe.Pointer(p)), a3, a4, a5, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		return nil
	}
}

func twoPathCall(trap uintptr, fromDir int, from string, toDir int, to string, flags uintptr) error {
	a, err := syscall.BytePtrFromString(from)
	if err != nil {
		return err
	}
	b, err := syscall.BytePtrFromString(to)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(trap, uintptr(fromDir), uintptr(unsafe.Pointer(a)),
		uintptr(toDir), uintptr(unsafe.Pointer(b)), flags, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Mkdirat is mkdirat(2).
func Mkdirat(dirfd int, name string, mode uint32) error {
	return pathCall(syscall.SYS_MKDIRAT, dirfd, name, uintptr(mode), 0, 0)
}

// Mkfifoat makes a FIFO.
func Mkfifoat(dirfd int, name string, mode uint32) error {
	return pathCall(syscall.SYS_MKNODAT, dirfd, name, uintptr(mode|syscall.S_IFIFO), 0, 0)
}

// Unlinkat is unlinkat(2) with its flags.
func Unlinkat(dirfd int, name string, flags int) error {
	return pathCall(syscall.SYS_UNLINKAT, dirfd, name, uintptr(flags), 0, 0)
}

// Fchmodat is fchmodat(2), which follows a symlink.
func Fchmodat(dirfd int, name string, mode uint32) error {
	return pathCall(syscall.SYS_FCHMODAT, dirfd, name, uintptr(mode), 0, 0)
}

// Fchownat is fchownat(2) with its flags.
func Fchownat(dirfd int, name string, uid, gid, flags int) error {
	return pathCall(syscall.SYS_FCHOWNAT, dirfd, name, uintptr(uid), uintptr(gid), uintptr(flags))
}

// Faccessat2 is faccessat2(2); with AT_EACCESS it asks for the thread's file-system identity.
func Faccessat2(dirfd int, name string, mode uint32, flags int) error {
	return pathCall(sysFaccessat2, dirfd, name, uintptr(mode), uintptr(flags), 0)
}

// Utimensat sets both times of name to sec and nsec, of the link itself.
func Utimensat(dirfd int, name string, sec, nsec int64) error {
	ts := [2]syscall.Timespec{{Sec: sec, Nsec: nsec}, {Sec: sec, Nsec: nsec}}
	return pathCall(syscall.SYS_UTIMENSAT, dirfd, name, uintptr(unsafe.Pointer(&ts)), AT_SYMLINK_NOFOLLOW, 0)
}

// SetMtime sets the modification time of what path leads to, and leaves the time of access.
func SetMtime(path string, sec, nsec int64) error {
	const utimeOmit = 1<<30 - 2
	ts := [2]syscall.Timespec{{Nsec: utimeOmit}, {Sec: sec, Nsec: nsec}}
	return pathCall(syscall.SYS_UTIMENSAT, AT_FDCWD, path, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// Renameat2 is renameat2(2).
func Renameat2(fromDir int, from string, toDir int, to string, flags uintptr) error {
	return twoPathCall(sysRenameat2, fromDir, from, toDir, to, flags)
}

// Linkat is linkat(2) without following a symlink.
func Linkat(fromDir int, from string, toDir int, to string) error {
	return twoPathCall(syscall.SYS_LINKAT, fromDir, from, toDir, to, 0)
}

// Symlinkat is symlinkat(2).
func Symlinkat(target string, dirfd int, name string) error {
	t, err := syscall.BytePtrFromString(target)
	if err != nil {
		return err
	}
	n, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(syscall.SYS_SYMLINKAT, uintptr(unsafe.Pointer(t)), uintptr(dirfd), uintptr(unsafe.Pointer(n)))
	if errno != 0 {
		return errno
	}
	return nil
}

// Readlinkat is readlinkat(2).
func Readlinkat(dirfd int, name string) (string, error) {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return "", err
	}
	buf := make([]byte, 4096)
	n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(dirfd), uintptr(unsafe.Pointer(p)),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0)
	if errno != 0 {
		return "", errno
	}
	return string(buf[:n]), nil
}

// Stat is the part of statx(2) that the agent uses.
type Stat struct {
	Mode      uint32 // type and permission bits, as in st_mode
	Nlink     uint32
	UID, GID  uint32
	Ino       uint64
	Size      int64
	MtimeSec  int64
	MtimeNsec uint32
	CtimeSec  int64
	CtimeNsec uint32
	Dev       uint64
	MountRoot bool // known only from Linux 5.8
}

// Type returns the S_IFMT bits.
func (s *Stat) Type() uint32 { return s.Mode & syscall.S_IFMT }

// Perm returns the lower twelve bits.
func (s *Stat) Perm() uint32 { return s.Mode & 0o7777 }

// MtimeMs returns the modification time in unix milliseconds.
func (s *Stat) MtimeMs() int64 { return s.MtimeSec*1000 + int64(s.MtimeNsec)/1e6 }

type statxTime struct {
	sec  int64
	nsec uint32
	_    int32
}

type statxBuf struct {
	mask, blksize        uint32
	attributes           uint64
	nlink, uid, gid      uint32
	mode, _              uint16
	ino, size, blocks    uint64
	attributesMask       uint64
	atime, btime, ctime  statxTime
	mtime                statxTime
	rdevMajor, rdevMinor uint32
	devMajor, devMinor   uint32
	_                    [14]uint64
}

const (
	statxBasic         = 0x7ff
	statxAttrMountRoot = 0x2000
)

// Statx reads the metadata of name below dirfd; flags as AT_*.
func Statx(dirfd int, name string, flags int) (Stat, error) {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return Stat{}, err
	}
	var b statxBuf
	for {
		_, _, errno := syscall.Syscall6(sysStatx, uintptr(dirfd), uintptr(unsafe.Pointer(p)), uintptr(flags), statxBasic,
			uintptr(unsafe.Pointer(&b)), 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return Stat{}, errno
		}
		break
	}
	return Stat{
		Mode: uint32(b.mode), Nlink: b.nlink, UID: b.uid, GID: b.gid, Ino: b.ino, Size: int64(b.size),
		MtimeSec: b.mtime.sec, MtimeNsec: b.mtime.nsec,
		CtimeSec: b.ctime.sec, CtimeNsec: b.ctime.nsec,
		Dev:       uint64(b.devMajor)<<32 | uint64(b.devMinor),
		MountRoot: b.attributes&statxAttrMountRoot != 0,
	}, nil
}

// Fstat is Statx of an open descriptor.
func Fstat(fd int) (Stat, error) { return Statx(fd, "", AT_EMPTY_PATH) }

// Prctl is prctl(2) with one argument.
func Prctl(option, value uintptr) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, value, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Rlimit is the kernel's struct rlimit64.
type Rlimit struct{ Soft, Hard uint64 }

// Prlimit reads the old limit of process pid (0: this one) and sets the new one unless it is nil.
func Prlimit(pid, resource int, limit *Rlimit) (old Rlimit, err error) {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(resource),
		uintptr(unsafe.Pointer(limit)), uintptr(unsafe.Pointer(&old)), 0, 0)
	if errno != 0 {
		return old, errno
	}
	return old, nil
}

// WaitAny returns the pid of one ended child without reaping it: 0 when none has ended, ECHILD when there is none.
func WaitAny() (int, error) {
	const pAll, wnohang, wexited, wnowait = 0, 1, 4, 0x1000000
	var info [128]byte
	for {
		_, _, errno := syscall.RawSyscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)), wexited|wnohang|wnowait, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(*(*int32)(unsafe.Pointer(&info[16]))), nil
	}
}

// SetThreadGroups, SetThreadFsgid and SetThreadFsuid act on the calling thread only (package syscall's act on all).
func SetThreadGroups(gids []uint32) error {
	var p unsafe.Pointer
	if len(gids) > 0 {
		p = unsafe.Pointer(&gids[0])
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(gids)), uintptr(p), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// SetThreadFsuid sets the thread's file-system uid and reports whether it took.
func SetThreadFsuid(uid uint32) bool { return setFs(syscall.SYS_SETFSUID, uid) }

// SetThreadFsgid sets the thread's file-system gid and reports whether it took.
func SetThreadFsgid(gid uint32) bool { return setFs(syscall.SYS_SETFSGID, gid) }

func setFs(trap uintptr, id uint32) bool {
	syscall.RawSyscall(trap, uintptr(id), 0, 0)
	now, _, _ := syscall.RawSyscall(trap, ^uintptr(0), 0, 0) // an invalid id changes nothing and answers the present one
	return uint32(now) == id
}

// ReadableBytes is how much a pipe holds now.
func ReadableBytes(fd int) int {
	const fionread = 0x541b
	var n int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), fionread, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

// ProcessCPU is the processor time that all threads of another process have used, its children's not.
func ProcessCPU(pid int) (syscall.Timespec, error) {
	const cpuClockSched = 2
	clock := int32(^pid)<<3 | cpuClockSched // MAKE_PROCESS_CPUCLOCK
	var ts syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return ts, errno
	}
	return ts, nil
}
