package jupyter

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// kernelspec is how an image says that it has a kernel: a folder with a file kernel.json.
type kernelspec struct {
	folder        string
	Argv          []string          `json:"argv"`
	Language      string            `json:"language"`
	Env           map[string]string `json:"env"`
	InterruptMode string            `json:"interrupt_mode"`
}

const maxSpec = 64 << 10

var specName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// folders are where kernelspecs lie, in the order of the Jupyter client.
func folders() []string {
	var list []string
	for _, path := range filepath.SplitList(os.Getenv("JUPYTER_PATH")) {
		if filepath.IsAbs(path) {
			list = append(list, path)
		}
	}
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		list = append(list, filepath.Join(home, ".local/share/jupyter"))
	}
	return append(list, "/opt/conda/share/jupyter", "/usr/local/share/jupyter", "/usr/share/jupyter")
}

// findKernelspec reads the first of a name.
func findKernelspec(name string) (*kernelspec, error) {
	if !specName.MatchString(name) || strings.Trim(name, ".") == "" {
		return nil, fmt.Errorf("%q is no name of a kernel", name)
	}
	for _, folder := range folders() {
		folder = filepath.Join(folder, "kernels", name)
		f, err := os.Open(filepath.Join(folder, "kernel.json"))
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(f, maxSpec))
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		spec := &kernelspec{folder: folder}
		if err := json.Unmarshal(text, spec); err != nil || len(spec.Argv) == 0 {
			return nil, fmt.Errorf("%s/kernel.json is no kernelspec", folder)
		}
		return spec, nil
	}
	return nil, fmt.Errorf("the image has no kernel %q", name)
}

// command is the line that starts it.
func (k *kernelspec) command(connectionFile string) []string {
	argv := make([]string, len(k.Argv))
	for i, arg := range k.Argv {
		argv[i] = strings.NewReplacer("{connection_file}", connectionFile, "{resource_dir}", k.folder).Replace(arg)
	}
	return argv
}

// environment adds what the kernelspec wants, with $NAME and ${NAME} filled in.
func (k *kernelspec) environment() []string {
	env := os.Environ()
	for name, value := range k.Env {
		env = append(env, name+"="+os.Expand(value, os.Getenv))
	}
	return env
}
