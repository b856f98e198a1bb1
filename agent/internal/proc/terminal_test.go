package proc

import (
	"os"
	"testing"
)

// The way of kernels that can't open the other end by its master.
func TestTerminalsOtherEndIsFoundByName(t *testing.T) {
	p, err := openTerminal(Size{80, 24})
	if err != nil {
		t.Fatal(err)
	}
	defer p.closeOurEnds()
	defer p.closeChildEnds()
	conn, err := p.stdout.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Control(func(master uintptr) {
		fd, err := openPeerByName(int(master))
		if err != nil {
			t.Error(err)
			return
		}
		named := os.NewFile(uintptr(fd), "by name")
		defer named.Close()
		a, err1 := named.Stat()
		b, err2 := p.held.Stat()
		if err1 != nil || err2 != nil || !os.SameFile(a, b) {
			t.Errorf("other terminals: %v and %v", a, b)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
