package proc

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Who leaves before the start may have asked for a kill that found nothing yet: what is started then would stay.
func TestStartAfterTheCallerHasLeftStartsNothing(t *testing.T) {
	table := benchTable()
	mark := filepath.Join(t.TempDir(), "started")
	spec := Spec{
		ID: "left", Argv: []string{"/bin/touch", mark}, Cwd: "/", User: strconv.Itoa(os.Getuid()),
		Env: map[string]string{"PATH": "/usr/bin:/bin"},
	}
	gone, leave := context.WithCancel(context.Background())
	leave()
	if _, err := table.Start(gone, spec); err == nil {
		t.Fatal("started")
	}
	if _, err := os.Stat(mark); !os.IsNotExist(err) {
		t.Fatalf("it ran: %v", err)
	}
	p, err := table.Start(t.Context(), spec) // the id is free again
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	if _, err := os.Stat(mark); err != nil {
		t.Fatal(err)
	}
}
