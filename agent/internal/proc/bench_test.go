package proc

import (
	"os"
	"strconv"
	"sync"
	"testing"
)

// benchTable: one table per process, its reaper takes all children.
var benchTable = sync.OnceValue(func() *Table { return NewTable(os.Getpid()) })

// BenchmarkStart is the agent's part of running /bin/true: from the parsed request to the complete output.
func BenchmarkStart(b *testing.B) {
	t := benchTable()
	for i := range b.N {
		p, err := t.Start(b.Context(), Spec{
			ID: "b" + strconv.Itoa(b.N) + "-" + strconv.Itoa(i), Argv: []string{"/bin/true"}, Cwd: "/tmp", User: strconv.Itoa(os.Getuid()),
			Env: map[string]string{"PATH": "/usr/bin:/bin"},
		})
		if err != nil {
			b.Fatal(err)
		}
		f, _ := p.Follow(0, false)
		for ended := false; !ended; {
			<-f.Wake()
			_, _, ended = f.Fill(nil)
		}
		f.Close()
	}
}
