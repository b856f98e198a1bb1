package files

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"k2sandbox.dev/agent/internal/fault"
)

// The way without openat2 must see through the same tricks.
func TestOpenStepwise(t *testing.T) {
	dir := t.TempDir()
	for name, target := range map[string]string{
		"link": "sub/file", "up": "sub/../sub/file", "absolute": dir + "/sub/file", "chain": "link",
		"loop": "loop", "environ": "/proc/self/environ", "self": "/proc/self", "exe": "/proc/" + strconv.Itoa(os.Getppid()) + "/exe",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/sub/file", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "up", "absolute", "chain", "sub//./file"} {
		fd, err := openStepwise(-100, dir+"/"+name, syscall.O_RDONLY)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = syscall.Close(fd)
	}
	for _, path := range []string{dir + "/environ", dir + "/self/environ", "/proc/self/environ", "/proc/thread-self/environ", "/proc/" + strconv.Itoa(os.Getpid()) + "/root/etc", dir + "/exe"} {
		_, err := openStepwise(-100, path, syscall.O_RDONLY)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Refused {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := openStepwise(-100, dir+"/loop", syscall.O_RDONLY); err != syscall.ELOOP {
		t.Errorf("loop: %v", err)
	}
}
