// Package drivers holds the language drivers and says how each is started and spoken to (see README.md).
package drivers

import (
	"embed"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
)

//go:embed python/*.py python/boot.txt node/*.js node/boot.txt bash/*.bash bash/boot.txt
var sources embed.FS

// Run is one request for a driver.
type Run struct {
	ID           string
	Code         string
	Cwd          *string // nil: where the context is
	Env          map[string]string
	DisplayBytes int
	CheckTypes   bool // before it runs; of TypeScript only
}

// Driver is one language's.
type Driver struct {
	// Programs are the interpreters it runs in; the first that is in PATH is taken.
	Programs []string
	// Noisy says that what it prints before it is ready is not the code's.
	Noisy bool
	// Shell says that most of what runs are programs that it starts and waits for.
	Shell bool
	// ChecksTypes says that it knows `check_types`.
	ChecksTypes bool
	argv        func(program string) []string
	source      func() []byte
	encode      func(Run) []byte
}

// Argv is the command line of an interpreter that becomes the driver.
func (d *Driver) Argv(program string) []string { return d.argv(program) }

// Source is what the interpreter reads from descriptor 5.
func (d *Driver) Source() []byte { return d.source() }

// Encode makes the line of a request.
func (d *Driver) Encode(run Run) []byte { return d.encode(run) }

// Ack is the answer to a display that waits for one.
var Ack = []byte("{\"op\":\"ack\"}\n")

// Of finds the driver of a language; false: there is none.
func Of(language string) (*Driver, bool) {
	d, ok := table[language]
	return d, ok
}

var table = map[string]*Driver{
	"python": {
		Programs: []string{"python3", "python"},
		argv:     func(program string) []string { return []string{program, "-c", boot("python")} },
		source:   sync.OnceValue(func() []byte { return bundle("python") }),
		encode:   encodeJSON,
	},
	"javascript": node("javascript"),
	"typescript": node("typescript"),
	"bash": {
		Programs: []string{"bash"}, Shell: true,
		argv:   func(program string) []string { return []string{program, "--noprofile", "--norc", "-c", boot("bash")} },
		source: sync.OnceValue(func() []byte { return read("bash/main.bash") }),
		encode: encodeBash,
	},
}

// Jupyter is the driver of a kernel of the image, named as its kernelspec's folder is: this program itself, see internal/jupyter.
func Jupyter(kernel string) (*Driver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &Driver{
		Programs: []string{self}, Noisy: true,
		argv:   func(program string) []string { return []string{program, "jupyter", kernel} },
		source: func() []byte { return nil },
		encode: encodeJSON,
	}, nil
}

func node(language string) *Driver {
	return &Driver{
		Programs: []string{"node", "nodejs"},
		argv: func(program string) []string {
			return []string{program, "--no-force-async-hooks-checks", "-e", boot("node"), "--", language}
		},
		ChecksTypes: language == "typescript",
		source:      nodeSource,
		encode:      encodeJSON,
	}
}

var nodeSource = sync.OnceValue(func() []byte { return bundle("node") })

func boot(folder string) string { return strings.TrimSpace(string(read(folder + "/boot.txt"))) }

// bundle is the object of file name to source.
func bundle(folder string) []byte {
	files := map[string]string{}
	entries, _ := fs.ReadDir(sources, folder) // embedded: it is there
	for _, entry := range entries {
		if name := entry.Name(); name != "boot.txt" {
			files[name] = string(read(path.Join(folder, name)))
		}
	}
	text, _ := json.Marshal(files)
	return text
}

func read(name string) []byte {
	text, _ := sources.ReadFile(name)
	return text
}

// Request is one as the line says it (README.md, "Requests").
type Request struct {
	Op           string            `json:"op"`
	ID           string            `json:"id"`
	Code         string            `json:"code"`
	Cwd          *string           `json:"cwd"`
	Env          map[string]string `json:"env"`
	DisplayBytes int               `json:"display_bytes"`
	CheckTypes   bool              `json:"check_types,omitempty"`
}

func encodeJSON(run Run) []byte {
	line, _ := json.Marshal(Request{"run", run.ID, run.Code, run.Cwd, run.Env, run.DisplayBytes, run.CheckTypes})
	return append(line, '\n')
}
