package identity

import (
	"strings"
	"syscall"
)

// Owner is whom a file is to belong to; -1 leaves that half as it is.
type Owner struct{ UID, GID int }

// KeepOwner changes nothing.
var KeepOwner = Owner{-1, -1}

// ResolveOwner reads what Resolve reads; without a group the file keeps its own.
func ResolveOwner(spec string) (Owner, error) {
	u, err := Resolve(spec)
	if err != nil {
		return KeepOwner, err
	}
	owner := Owner{int(u.UID), int(u.GID)}
	if !strings.Contains(spec, ":") {
		owner.GID = -1
	}
	return owner, nil
}

// Set gives an open file to the owner, as the calling thread.
func (o Owner) Set(fd int) error {
	if o == KeepOwner {
		return nil
	}
	return syscall.Fchown(fd, o.UID, o.GID)
}
