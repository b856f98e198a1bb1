package proc

import (
	"os"
	"strconv"
	"testing"
)

// BenchmarkStart is the agent's part of running /bin/true: from the parsed request to the complete output.
func BenchmarkStart(b *testing.B) {
	t := NewTable(os.Getpid())
	for i := range b.N {
		p, err := t.Start(Spec{
			ID: "b" + strconv.Itoa(i), Argv: []string{"/bin/true"}, Cwd: "/tmp", User: strconv.Itoa(os.Getuid()),
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
