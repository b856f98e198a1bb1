// Prints the default seccomp profile that the Docker project maintains, minified, in the form that the engine's API takes
// in SecurityOpt "seccomp=<JSON>". The engine resolves its conditions (architecture, kernel, capabilities) itself.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/profiles/seccomp"
)

func main() {
	if err := json.NewEncoder(os.Stdout).Encode(seccomp.DefaultProfile()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
