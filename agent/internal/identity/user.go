// Package identity resolves users of the sandbox's image and runs file operations with their rights.
package identity

import (
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/sys"
)

// User is a resolved user of the image. Groups are the supplementary ones, GID included.
type User struct {
	UID, GID uint32
	Name     string
	Home     string
	Shell    string
	Groups   []uint32
}

const (
	passwdPath = "/etc/passwd"
	groupPath  = "/etc/group"
	// maxDatabase bounds what is read of the image's user files.
	maxDatabase = 4 << 20
	maxGroups   = 256
	maxCached   = 64
)

type signature struct {
	ino, dev  uint64
	size, sec int64
	nsec      uint32
}

var cache struct {
	sync.Mutex
	passwd, group signature
	users         map[string]*User
}

// Resolve finds "name", "uid", "name:group" or "uid:gid" in the image's /etc/passwd and /etc/group. A numeric user
// without an entry is fine. Fails with USER_NOT_FOUND or INVALID_REQUEST.
func Resolve(spec string) (*User, error) {
	if spec == "" || len(spec) > 256 || strings.ContainsAny(spec, "\x00\n") {
		return nil, fault.New(fault.InvalidRequest, "user: need a name, uid, name:group or uid:gid")
	}
	passwd, group := sign(passwdPath), sign(groupPath)
	cache.Lock()
	defer cache.Unlock()
	if cache.users == nil || cache.passwd != passwd || cache.group != group || len(cache.users) > maxCached {
		cache.users, cache.passwd, cache.group = map[string]*User{}, passwd, group
	}
	if u := cache.users[spec]; u != nil {
		return u, nil
	}
	u, err := lookup(spec, readDatabase(passwdPath), readDatabase(groupPath))
	if err == nil {
		cache.users[spec] = u
	}
	return u, err
}

// Forget makes the next Resolve look again: a home may be there now that was not.
func Forget() {
	cache.Lock()
	defer cache.Unlock()
	cache.users = nil
}

func sign(path string) signature {
	st, err := sys.Statx(sys.AT_FDCWD, path, 0)
	if err != nil {
		return signature{}
	}
	return signature{st.Ino, st.Dev, st.Size, st.MtimeSec, st.MtimeNsec}
}

// readDatabase never blocks on a FIFO that sandbox root put there, and reads regular files only.
func readDatabase(path string) [][]string {
	fd, err := sys.Openat(sys.AT_FDCWD, path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if st, err := sys.Fstat(fd); err != nil || st.Type() != syscall.S_IFREG {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxDatabase))
	if err != nil {
		return nil
	}
	var rows [][]string
	for line := range strings.Lines(string(data)) {
		if row := strings.Split(strings.TrimRight(line, "\r\n"), ":"); len(row) >= 3 {
			rows = append(rows, row)
		}
	}
	return rows
}

func lookup(spec string, passwd, group [][]string) (*User, error) {
	who, groupName, hasGroup := strings.Cut(spec, ":")
	u := &User{Shell: "/bin/sh"}
	uid, numeric := parseID(who)
	row := find(passwd, func(r []string) bool { return len(r) >= 7 && r[0] == who })
	if row == nil && numeric {
		row = find(passwd, func(r []string) bool { id, ok := parseID(r[2]); return len(r) >= 7 && ok && id == uid })
	}
	switch {
	case row != nil:
		id, ok1 := parseID(row[2])
		gid, ok2 := parseID(row[3])
		if !ok1 || !ok2 {
			return nil, fault.New(fault.UserNotFound, "user %q: its line in %s is malformed", who, passwdPath)
		}
		u.UID, u.GID, u.Name, u.Home = id, gid, row[0], row[5]
		if row[6] != "" {
			u.Shell = row[6]
		}
	case numeric:
		u.UID, u.GID, u.Name = uid, 0, who
		if hasGroup {
			u.GID = uid
		}
	case who == "root" && len(passwd) == 0: // an image made FROM scratch has no users, but root is root
		u.Name = who
	default:
		return nil, fault.New(fault.UserNotFound, "user %q is not in %s of the image", who, passwdPath)
	}
	if hasGroup {
		gid, ok := findGroup(groupName, group)
		if !ok {
			return nil, fault.New(fault.UserNotFound, "group %q is not in %s of the image", groupName, groupPath)
		}
		u.GID = gid
	}
	u.Home = homeOf(u)
	u.Groups = groupsOf(u, group)
	return u, nil
}

func find(rows [][]string, match func([]string) bool) []string {
	if i := slices.IndexFunc(rows, match); i >= 0 {
		return rows[i]
	}
	return nil
}

func findGroup(name string, group [][]string) (uint32, bool) {
	if row := find(group, func(r []string) bool { return r[0] == name }); row != nil {
		return parseID(row[2])
	}
	return parseID(name)
}

func homeOf(u *User) string {
	if strings.HasPrefix(u.Home, "/") && !strings.Contains(u.Home, "\x00") {
		return u.Home
	}
	if u.UID == 0 {
		if isDirectory("/root") {
			return "/root"
		}
	} else if isDirectory("/home/user") {
		return "/home/user"
	}
	return "/"
}

func isDirectory(path string) bool {
	st, err := sys.Statx(sys.AT_FDCWD, path, 0)
	return err == nil && st.Type() == syscall.S_IFDIR
}

func groupsOf(u *User, group [][]string) []uint32 {
	gids := []uint32{u.GID}
	for _, row := range group {
		if len(row) < 4 || len(gids) >= maxGroups || !slices.Contains(strings.Split(row[3], ","), u.Name) {
			continue
		}
		if gid, ok := parseID(row[2]); ok && !slices.Contains(gids, gid) {
			gids = append(gids, gid)
		}
	}
	return gids
}

// parseID accepts 0 to 2^32-2; the last value means "unchanged" to the kernel.
func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n != 1<<32-1 && s[0] != '+'
}
