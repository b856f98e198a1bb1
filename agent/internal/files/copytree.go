package files

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"math"
	"os"
	"strings"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/sys"
)

// tempName is the name of what is not finished yet.
func tempName() string {
	var random [9]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	return tempPrefix + hex.EncodeToString(random[:])
}

const tempPrefix = ".k2-"

// IsTemp says whether a name is one that tempName makes.
func IsTemp(name string) bool {
	random, ok := strings.CutPrefix(name, tempPrefix)
	if !ok || len(random) != 18 {
		return false
	}
	_, err := hex.DecodeString(random)
	return err == nil
}

// setID bits are given with the owner only: a program that runs as root must not become one that runs as who copied it.
const setID = syscall.S_ISUID | syscall.S_ISGID

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
	c := &copier{ctx: context.Background(), buf: make([]byte, copyBuffer), entries: math.MaxInt, bytes: math.MaxInt64}
	err = c.node(fromDir, from, toDir, temp, 0)
	if err == nil {
		unlock := lockName(toDir, to)
		err = sys.Renameat2(toDir, temp, toDir, to, flags)
		unlock()
	}
	if err != nil {
		_ = deleteName(toDir, temp, temp, true)
		return err
	}
	return deleteName(fromDir, from, from, true)
}

// copier copies one tree: links as links, with modes and times.
type copier struct {
	ctx     context.Context
	buf     []byte
	entries int   // left of what may be copied
	bytes   int64 // likewise
	// target is the folder that the copy is made in: a tree with it inside has no end.
	target sys.Stat
}

func (c *copier) node(fromDir int, from string, toDir int, to string, depth int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fault.New(fault.TooLarge, "%q is deeper than %d folders", clip(from), maxDepth)
	}
	if c.entries--; c.entries < 0 {
		return fault.New(fault.TooLarge, "more than %d entries", maxEntries)
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
		err = c.file(fromDir, from, toDir, to, st)
	case syscall.S_IFDIR:
		err = c.folder(fromDir, from, toDir, to, st, depth)
	case syscall.S_IFIFO:
		err = sys.Mkfifoat(toDir, to, st.Perm())
	default:
		return fault.New(fault.NotARegularFile, "%q is a %s, which can't be copied", clip(from), typeNames[st.Type()])
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

func (c *copier) file(fromDir int, from string, toDir int, to string, st sys.Stat) error {
	in, err := sys.Openat(fromDir, from, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(in)
	if err := requireRegular(in, from); err != nil {
		return err
	}
	if err := refuseOwn(in); err != nil {
		return err
	}
	out, err := sys.Openat(toDir, to, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer syscall.Close(out)
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		n, err := syscall.Read(in, c.buf)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return syscall.Fchmod(out, st.Perm()&^setID)
		}
		if c.bytes -= int64(n); c.bytes < 0 {
			return fault.New(fault.TooLarge, "more than %d bytes", int64(DefaultMaxBytes))
		}
		if err := writeAll(out, c.buf[:n]); err != nil {
			return err
		}
	}
}

func (c *copier) folder(fromDir int, from string, toDir int, to string, st sys.Stat, depth int) error {
	if st.Ino == c.target.Ino && st.Dev == c.target.Dev {
		return fault.New(fault.InvalidRequest, "a directory can't be copied into itself")
	}
	in, err := openFolder(fromDir, from)
	if err != nil {
		return err
	}
	defer syscall.Close(in)
	if err := refuseOwn(in); err != nil {
		return err
	}
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
		if err := c.node(in, name, out, name, depth+1); err != nil {
			return fault.Of(err, clip(name))
		}
	}
	return syscall.Fchmod(out, st.Perm()&^setID)
}
