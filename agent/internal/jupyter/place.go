package jupyter

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"k2sandbox.dev/agent/internal/drivers"
)

// place is the folder and the environment of one run, as code of the kernel's language that is run before and after it, hidden.
type place struct {
	enter string
	// leave may be run again when it was interrupted, and after an enter that failed half-way.
	leave string
}

// wantsPlace tells whether a run has any of its own.
func wantsPlace(r drivers.Request) bool { return r.Cwd != nil || len(r.Env) > 0 }

// placeFor makes the code for one run. ok: there is some for this language.
func placeFor(language string, r drivers.Request) (p place, ok bool) {
	p, ok = places[strings.ToLower(language)]
	var cwd string
	if r.Cwd != nil {
		cwd = *r.Cwd
	}
	// Values are hostile text and every language quotes in its own way: as hexadecimal digits they need no quoting.
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		pairs = append(pairs, digits(name)+"="+digits(r.Env[name]))
	}
	p.enter = strings.NewReplacer("{cwd}", digits(cwd), "{env}", strings.Join(pairs, " ")).Replace(p.enter)
	return p, ok
}

func digits(text string) string { return hex.EncodeToString([]byte(text)) }
