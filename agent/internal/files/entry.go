package files

import (
	"encoding/base64"
	"path"
	"strings"
	"syscall"
	"unicode/utf8"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Entry is what the API tells of a file; mtime in unix milliseconds. The ...Base64 fields are there when the bytes are
// not UTF-8.
type Entry struct {
	Name       string `json:"name"`
	NameBase64 string `json:"name_base64,omitempty"`
	Path       string `json:"path"`
	PathBase64 string `json:"path_base64,omitempty"`
	Type       string `json:"type"`
	Size       int64  `json:"size"`
	Mode       uint32 `json:"mode"`
	UID        uint32 `json:"uid"`
	GID        uint32 `json:"gid"`
	Mtime      int64  `json:"mtime"`
	ETag       string `json:"etag"`
	Target     string `json:"target,omitempty"`
}

var typeNames = map[uint32]string{
	syscall.S_IFREG: "file", syscall.S_IFDIR: "directory", syscall.S_IFLNK: "symlink", syscall.S_IFIFO: "fifo",
	syscall.S_IFSOCK: "socket", syscall.S_IFCHR: "char_device", syscall.S_IFBLK: "block_device",
}

func newEntry(name, full string, st sys.Stat, target string) Entry {
	e := Entry{
		Name: name, Path: full, Type: typeNames[st.Type()], Size: st.Size, Mode: st.Perm(), UID: st.UID, GID: st.GID,
		Mtime: st.MtimeMs(), ETag: etag(st), Target: target,
	}
	e.Name, e.NameBase64 = Text(name)
	e.Path, e.PathBase64 = Text(full)
	return e
}

// Text makes bytes fit for JSON: what is not UTF-8 becomes replacement characters, and base64 beside them.
func Text(bytes string) (text, inBase64 string) {
	if utf8.ValidString(bytes) {
		return bytes, ""
	}
	return strings.ToValidUTF8(bytes, "\uFFFD"), base64.StdEncoding.EncodeToString([]byte(bytes))
}

// Stat tells of path, or with follow=false of the symlink itself.
func Stat(user *identity.User, path string, follow bool) (entry Entry, err error) {
	if err := checkPath(path); err != nil {
		return entry, err
	}
	err = user.Do(func() error {
		entry, err = stat(path, follow)
		return err
	})
	if err != nil {
		return entry, fault.Of(err, clip(path))
	}
	return entry, nil
}

// stat runs as the calling thread.
func stat(full string, follow bool) (Entry, error) {
	flags := sys.O_PATH
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	fd, err := open(full, flags)
	if err != nil {
		return Entry{}, err
	}
	defer syscall.Close(fd)
	st, err := sys.Fstat(fd)
	if err != nil {
		return Entry{}, err
	}
	target := ""
	if st.Type() == syscall.S_IFLNK {
		target, _ = sys.Readlinkat(fd, "")
	}
	clean := path.Clean(full)
	return newEntry(path.Base(clean), clean, st, target), nil
}
