package proc

import (
	"crypto/rand"
	"encoding/hex"
	"syscall"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/sys"
)

// writeScript writes the script into a new folder that only the user can enter, and returns its path.
func (p *Process) writeScript(spec Spec) (string, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	name := "k2-" + hex.EncodeToString(random[:])
	var path string
	err := p.user.Do(func() error {
		var first error
		for _, parent := range []string{"/tmp", "/dev/shm", "/var/tmp", p.user.Home, spec.Cwd} {
			dir := parent + "/" + name
			err := sys.Mkdirat(sys.AT_FDCWD, dir, 0o700)
			if err == nil {
				p.scriptDir, path = dir, dir+"/"+spec.Script.Name
				return writeNew(path, spec.Script.Content)
			}
			if first == nil || err == syscall.ENOSPC {
				first = err
			}
		}
		return first
	})
	if err != nil {
		return "", fault.Of(err, "writing the script")
	}
	return path, nil
}

func writeNew(path, content string) error {
	fd, err := sys.Openat(sys.AT_FDCWD, path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW, 0o700)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	for rest := []byte(content); len(rest) > 0; {
		n, err := syscall.Write(fd, rest)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// removeScript removes the script's folder. When the program filled it, the rest goes in the background.
func (p *Process) removeScript() {
	if p.scriptDir == "" {
		return
	}
	dir := p.scriptDir
	p.scriptDir = ""
	go func() { _ = files.Delete(p.user, dir, true, files.Condition{}) }()
}
