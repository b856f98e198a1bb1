package jupyter

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k2sandbox.dev/agent/internal/drivers"
)

// hostile would end a string, a list or a line in one language or another.
const hostile = "'\"`$(touch pwned) ${HOME} #{1} %s \\n\\\n\r\t \"\"\" )}];-- é 🙂"

// interpreters run the code of a kernel's language as a file; show is code that prints a variable (or "none") and the folder, as `<…|…>`.
var interpreters = map[string]struct {
	argv         []string
	before, show string
}{
	"python":     {[]string{"python3"}, "", `print("<" + __import__("os").environ.get("NAME", "none") + "|" + __import__("os").getcwd() + ">")`},
	"r":          {[]string{"Rscript"}, "", `cat("<", Sys.getenv("NAME", "none"), "|", getwd(), ">\n", sep = "")`},
	"octave":     {[]string{"octave-cli", "--quiet"}, "1;", `x = getenv("NAME"); if !isenv("NAME"), x = "none"; end, printf("<%s|%s>\n", x, pwd())`},
	"julia":      {[]string{"julia"}, "", `println("<", get(ENV, "NAME", "none"), "|", pwd(), ">")`},
	"ruby":       {[]string{"ruby"}, "", `puts "<#{ENV.fetch("NAME", "none")}|#{Dir.pwd}>"`},
	"javascript": {[]string{"node"}, "", "console.log(`<${process.env.NAME ?? 'none'}|${process.cwd()}>`);"},
}

// shown are the pieces `<…|…>` that running the code in folder prints.
func shown(t *testing.T, language, folder string, env []string, code ...string) []string {
	t.Helper()
	how := interpreters[language]
	if _, err := exec.LookPath(how.argv[0]); err != nil {
		t.Skipf("this machine has no %s", how.argv[0])
	}
	script := filepath.Join(t.TempDir(), "script")
	text := strings.Join(append([]string{how.before}, code...), "\n")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(how.argv[0], append(slices.Clone(how.argv[1:]), script)...)
	run.Dir, run.Env = folder, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "LANG=C.UTF-8"}, env...)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var pieces []string
	for _, piece := range strings.Split(string(out), "<")[1:] {
		piece, _, _ = strings.Cut(piece, ">")
		pieces = append(pieces, piece)
	}
	return pieces
}

// folders that exist, as the system names them.
func realFolder(t *testing.T, name string) string {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil && name != "" {
		folder = filepath.Join(folder, name)
		err = os.Mkdir(folder, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestAPlaceIsSetAndPutBack(t *testing.T) {
	for language := range places {
		show := interpreters[language].show
		t.Run(language+", one that was not set", func(t *testing.T) {
			t.Parallel()
			home, other := realFolder(t, ""), realFolder(t, "it's \"a\" $(folder) é")
			p, _ := placeFor(language, drivers.Request{Cwd: &other, Env: map[string]string{"NAME": hostile, "EMPTY": ""}})
			got := shown(t, language, home, nil, p.enter, show, p.leave, show)
			if want := []string{hostile + "|" + other, "none|" + home}; !slices.Equal(got, want) {
				t.Fatalf("%q instead of %q", got, want)
			}
			if _, err := os.Stat(filepath.Join(home, "pwned")); err == nil {
				t.Fatal("a value was run")
			}
		})
		t.Run(language+", one that was set, and no folder", func(t *testing.T) {
			t.Parallel()
			home := realFolder(t, "")
			p, _ := placeFor(language, drivers.Request{Env: map[string]string{"NAME": strings.Repeat("x", 100_000)}})
			got := shown(t, language, home, []string{"NAME=before"}, p.enter, show, p.leave, show, p.leave, show)
			if want := []string{strings.Repeat("x", 100_000) + "|" + home, "before|" + home, "before|" + home}; !slices.Equal(got, want) {
				t.Fatalf("%.200q", got)
			}
		})
		t.Run(language+", a folder alone", func(t *testing.T) {
			t.Parallel()
			home, other := realFolder(t, ""), realFolder(t, "")
			p, _ := placeFor(language, drivers.Request{Cwd: &other})
			got := shown(t, language, home, []string{"NAME=before"}, p.enter, show, p.leave, show)
			if want := []string{"before|" + other, "before|" + home}; !slices.Equal(got, want) {
				t.Fatalf("%q instead of %q", got, want)
			}
		})
	}
}

func TestAPlaceIsForEachTableLanguageAlone(t *testing.T) {
	for language, want := range map[string]bool{"R": true, "python": true, "Octave": true, "bash": false, "": false} {
		if _, ok := placeFor(language, drivers.Request{}); ok != want {
			t.Errorf("%q: %v", language, ok)
		}
	}
}
