package files

import (
	"io"
	"os"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

const (
	copyBuffer = 256 << 10
	// maxUnsized bounds what is read ahead of files that don't tell their size (/proc).
	maxUnsized = 8 << 20
)

// Content is an open regular file. Size is what it had when it was opened; no more is read even if it grows. The other
// fields are of the same moment.
type Content struct {
	Size  int64
	ETag  string
	Mtime int64 // unix milliseconds
	Mode  uint32
	file  *os.File
	data  []byte // of a file that says size 0 and is not empty
}

// OpenContent opens path for reading as user. It never blocks: what is no regular file is refused.
func OpenContent(user *identity.User, path string) (content *Content, err error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	err = user.Do(func() error {
		content, err = openContent(path)
		return err
	})
	if err != nil {
		return nil, fault.Of(err, clip(path))
	}
	return content, nil
}

func openContent(path string) (*Content, error) {
	fd, err := openRegular(path, syscall.O_RDONLY)
	if err != nil {
		return nil, err
	}
	st, err := sys.Fstat(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	c := &Content{Size: st.Size, ETag: etag(st), Mtime: st.MtimeMs(), Mode: st.Perm(), file: os.NewFile(uintptr(fd), path)}
	if st.Size > 0 {
		return c, nil
	}
	c.data, err = io.ReadAll(io.LimitReader(c.file, maxUnsized+1))
	if err == nil && len(c.data) > maxUnsized {
		err = fault.New(fault.TooLarge, "%q has no known size and more than %d bytes", clip(path), maxUnsized)
	}
	if err != nil {
		_ = c.file.Close()
		return nil, err
	}
	c.Size = int64(len(c.data))
	return c, nil
}

// openRegular opens without blocking on a FIFO, without becoming a terminal's owner, and without touching a device:
// it looks first and opens what it has looked at.
func openRegular(path string, flags int) (int, error) {
	probe, err := open(path, sys.O_PATH)
	if err != nil {
		return -1, err
	}
	err = requireRegular(probe, path)
	_ = syscall.Close(probe)
	if err != nil {
		return -1, err
	}
	fd, err := open(path, flags|syscall.O_NONBLOCK|syscall.O_NOCTTY)
	if err != nil {
		return -1, err
	}
	if err := requireRegular(fd, path); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func requireRegular(fd int, path string) error {
	st, err := sys.Fstat(fd)
	if err != nil {
		return err
	}
	return regularOnly(st, path)
}

func regularOnly(st sys.Stat, path string) error {
	switch st.Type() {
	case syscall.S_IFREG:
		return nil
	case syscall.S_IFDIR:
		return fault.New(fault.IsADirectory, "%q is a directory", clip(path))
	}
	return fault.New(fault.NotARegularFile, "%q is a %s, not a regular file", clip(path), typeNames[st.Type()])
}

// CopyTo writes length bytes from offset on. A file that shrank meanwhile ends with io.ErrUnexpectedEOF.
func (c *Content) CopyTo(w io.Writer, offset, length int64) error {
	if c.data != nil {
		_, err := w.Write(c.data[offset : offset+length])
		return err
	}
	buf := make([]byte, min(copyBuffer, length))
	for length > 0 {
		var n int
		err := identity.Blocking(func() (err error) {
			n, err = c.file.ReadAt(buf[:min(int64(len(buf)), length)], offset)
			return err
		})
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			offset, length = offset+int64(n), length-int64(n)
			continue
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// Close closes the file.
func (c *Content) Close() { _ = c.file.Close() }
