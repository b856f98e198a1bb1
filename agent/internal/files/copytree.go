package files

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/sys"
)

// tempName is the name of what is not finished yet.
func tempName() string {
	var random [9]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	return ".k2-" + hex.EncodeToString(random[:])
}

// moveByCopy is for two file systems (also for folders of an image's lower layers, which overlayfs does not rename):
// copy beside the target, rename into place, delete the source. Hard links become files of their own.
func moveByCopy(fromDir int, from string, toDir int, to string, flags uintptr) error {
	st, err := sys.Statx(fromDir, from, sys.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	if st.MountRoot {
		return fault.New(fault.Refused, "%q is a mount point", clip(from))
	}
	temp := tempName()
	err = copyNode(fromDir, from, toDir, temp, make([]byte, copyBuffer), 0)
	if err == nil {
		err = sys.Renameat2(toDir, temp, toDir, to, flags)
	}
	if err != nil {
		_ = deleteName(toDir, temp, temp, true)
		return err
	}
	return deleteName(fromDir, from, from, true)
}

func copyNode(fromDir int, from string, toDir int, to string, buf []byte, depth int) error {
	if depth > maxDepth {
		return fault.New(fault.TooLarge, "%q is deeper than %d folders", clip(from), maxDepth)
	}
	st, err := sys.Statx(fromDir, from, sys.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	switch st.Type() {
	case syscall.S_IFLNK:
		target, err := sys.Readlinkat(fromDir, from)
		if err != nil {
			return err
		}
		err = sys.Symlinkat(target, toDir, to)
		if err != nil {
			return err
		}
	case syscall.S_IFREG:
		err = copyFile(fromDir, from, toDir, to, st, buf)
	case syscall.S_IFDIR:
		err = copyFolder(fromDir, from, toDir, to, st, buf, depth)
	case syscall.S_IFIFO:
		err = sys.Mkfifoat(toDir, to, st.Perm())
	default:
		return fault.New(fault.NotARegularFile, "%q is a %s, which can't be moved to another file system", clip(from), typeNames[st.Type()])
	}
	if err != nil {
		return err
	}
	// Root keeps owners, others are the owner already or may not give files away: as mv does.
	if err := sys.Fchownat(toDir, to, int(st.UID), int(st.GID), sys.AT_SYMLINK_NOFOLLOW); err == nil && st.Type() != syscall.S_IFLNK {
		_ = sys.Fchmodat(toDir, to, st.Perm()) // chown takes setuid and setgid bits
	}
	return sys.Utimensat(toDir, to, st.MtimeSec, int64(st.MtimeNsec))
}

func copyFile(fromDir int, from string, toDir int, to string, st sys.Stat, buf []byte) error {
	in, err := sys.Openat(fromDir, from, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(in)
	if err := requireRegular(in, from); err != nil {
		return err
	}
	out, err := sys.Openat(toDir, to, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer syscall.Close(out)
	for {
		n, err := syscall.Read(in, buf)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return syscall.Fchmod(out, st.Perm())
		}
		if err := writeAll(out, buf[:n]); err != nil {
			return err
		}
	}
}

func copyFolder(fromDir int, from string, toDir int, to string, st sys.Stat, buf []byte, depth int) error {
	in, err := openFolder(fromDir, from)
	if err != nil {
		return err
	}
	defer syscall.Close(in)
	if err := sys.Mkdirat(toDir, to, 0o700); err != nil {
		return err
	}
	out, err := openFolder(toDir, to)
	if err != nil {
		return err
	}
	defer syscall.Close(out)
	list, err := openFolder(in, ".")
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(list), from)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := copyNode(in, name, out, name, buf, depth+1); err != nil {
			return fault.Of(err, clip(name))
		}
	}
	return syscall.Fchmod(out, st.Perm())
}
