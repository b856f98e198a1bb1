package identity

import (
	"os"
	"slices"
	"syscall"
	"testing"
)

func TestLookup(t *testing.T) {
	passwd := [][]string{
		{"root", "x", "0", "0", "", "/root", "/bin/bash"},
		{"user", "x", "1000", "1001", "", "/home/u", ""},
		{"bad", "x", "4294967295", "1", "", "/", ""},
	}
	group := [][]string{{"staff", "x", "50", "user,other"}, {"video", "x", "44", "other"}, {"audio", "x", "29", "user"}}
	for _, c := range []struct {
		spec     string
		uid, gid uint32
		home     string
		groups   []uint32
	}{
		{"user", 1000, 1001, "/home/u", []uint32{1001, 50, 29}},
		{"1000", 1000, 1001, "/home/u", []uint32{1001, 50, 29}},
		{"user:staff", 1000, 50, "/home/u", []uint32{50, 29}},
		{"1000:7", 1000, 7, "/home/u", []uint32{7, 50, 29}},
		{"0:0", 0, 0, "/root", []uint32{0}},
		{"4242:4343", 4242, 4343, "", []uint32{4343}},
		{"4242", 4242, 0, "", []uint32{0}},
	} {
		u, err := lookup(c.spec, passwd, group)
		if err != nil || u.UID != c.uid || u.GID != c.gid || !slices.Equal(u.Groups, c.groups) || c.home != "" && u.Home != c.home || u.Shell == "" {
			t.Errorf("%s: %+v, %v", c.spec, u, err)
		}
	}
	for _, spec := range []string{"nobody", "user:nogroup", "bad", "-1", "+5", "4294967295", "5:4294967295", ":", "1000:"} {
		if u, err := lookup(spec, passwd, group); err == nil {
			t.Errorf("%q: %+v", spec, u)
		}
	}
	if u, err := lookup("root", nil, nil); err != nil || u.UID != 0 {
		t.Errorf("root of an image without users: %+v, %v", u, err)
	}
}

func TestDoHasTheUsersRightsAndGivesThemBack(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	u := &User{UID: 4242, GID: 4343, Groups: []uint32{4343}, Name: "x"}
	for range 100 {
		err := u.Do(func() error {
			_, err := syscall.Open(dir, syscall.O_RDONLY, 0)
			return err
		})
		if err != syscall.EACCES {
			t.Fatalf("a stranger opened root's folder: %v", err)
		}
		fd, err := syscall.Open(dir, syscall.O_RDONLY, 0)
		if err != nil {
			t.Fatalf("root's rights did not come back: %v", err)
		}
		_ = syscall.Close(fd)
	}
}
