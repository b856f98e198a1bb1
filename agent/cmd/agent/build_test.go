package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sizeBudget is what the released binary may weigh: it is paid in every sandbox.
const sizeBudget = 9 << 20

func TestOnlyTheStandardLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./...").Output()
	must(t, err)
	for _, path := range strings.Fields(string(out)) {
		if !strings.HasPrefix(path, "k2sandbox.dev/agent/") {
			t.Errorf("%s is neither ours nor the standard library's", path)
		}
	}
}

func TestTheReleaseIsStaticAndSmall(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		path := filepath.Join(t.TempDir(), "agent-"+arch)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=1.2.3", "-o", path, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", arch, out)
		}
		info, err := os.Stat(path)
		must(t, err)
		if info.Size() > sizeBudget {
			t.Errorf("%s: %d bytes, budget %d", arch, info.Size(), sizeBudget)
		}
		f, err := elf.Open(path)
		must(t, err)
		defer f.Close()
		if libs, _ := f.ImportedLibraries(); len(libs) > 0 || f.Section(".interp") != nil {
			t.Errorf("%s is not static: %v", arch, libs)
		}
	}
}
