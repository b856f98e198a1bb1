package proc

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"os"
	"strconv"

	"k2sandbox.dev/agent/internal/sys"
)

// tagger marks what a command starts: the soft value of RLIMIT_LOCKS, a limit that the kernel keeps, hands down over
// fork, exec and setsid, shows to everybody in /proc/PID/limits, and has not used for anything since Linux 2.4.
type tagger struct {
	works    bool
	original sys.Rlimit
	ceiling  uint64
}

// Tags lie in [minTag, 2^62): never "unlimited", never a number that a person would set.
const minTag = 1 << 40

// newTagger tries the limit once on this process: gVisor and strange hard limits leave it unused.
func newTagger() *tagger {
	t := &tagger{}
	original, err := sys.Prlimit(0, sys.RLIMIT_LOCKS, nil)
	if err != nil || original.Hard <= 2*minTag {
		return t
	}
	t.original, t.ceiling = original, min(original.Hard, 1<<62)
	tag := t.random()
	if t.set(tag) != nil {
		return t
	}
	seen, ok := readTag(os.Getpid(), make([]byte, 4096))
	t.works = t.restore() == nil && ok && seen == tag
	return t
}

func (t *tagger) random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return minTag + binary.LittleEndian.Uint64(b[:])%(t.ceiling-minTag)
}

func (t *tagger) set(tag uint64) error {
	_, err := sys.Prlimit(0, sys.RLIMIT_LOCKS, &sys.Rlimit{Soft: tag, Hard: t.original.Hard})
	return err
}

func (t *tagger) restore() error {
	_, err := sys.Prlimit(0, sys.RLIMIT_LOCKS, &t.original)
	return err
}

var tagLine = []byte("Max file locks")

// readTag reads the soft RLIMIT_LOCKS of a process; "unlimited" is 0. buf is scratch space.
func readTag(pid int, buf []byte) (uint64, bool) {
	text, ok := readProcFile(pid, "/limits", buf)
	if !ok {
		return 0, false
	}
	at := bytes.Index(text, tagLine)
	if at < 0 {
		return 0, false
	}
	fields := bytes.Fields(text[at+len(tagLine):])
	if len(fields) == 0 {
		return 0, false
	}
	tag, err := strconv.ParseUint(string(fields[0]), 10, 64)
	if err != nil {
		return 0, string(fields[0]) == "unlimited"
	}
	return tag, true
}
