package drivers

import (
	"regexp"
	"sort"
	"strings"
)

// The lines of a request, see bash/main.bash. An interrupt may break any of them off, and the shell goes on with the next:
// __k2_code is only there when the first was finished, and the end is told twice, the second time in vain.
const (
	// beginBash notes errtrace and sets it, else functions would not see the ERR trap.
	beginBash = "__k2_trace=$-; set -E; __k2_begin "
	endBash   = `if [[ $__k2_watching ]]; then set -E; fi; __k2_end; builtin eval "$__k2_back"; __k2_back= ; __k2_tell` + "\n"
)

// encodeBash writes a request.
func encodeBash(run Run) []byte {
	var lines strings.Builder
	lines.WriteString(beginBash)
	lines.WriteString(run.ID) // [A-Za-z0-9_-]
	lines.WriteByte(' ')
	quote(&lines, hints(run.Code))
	lines.WriteByte(' ')
	quote(&lines, run.Code)
	lines.WriteByte(' ')
	folder := ""
	if run.Cwd != nil {
		folder = *run.Cwd
	}
	quote(&lines, folder)
	for _, name := range shellNames(run.Env) {
		lines.WriteByte(' ')
		quote(&lines, name+"="+run.Env[name])
	}
	lines.WriteString("; __k2_code=$__k2_next PROMPT_COMMAND=$__k2_prompt\n" + endBash + endBash)
	return []byte(lines.String())
}

var (
	errexit      = regexp.MustCompile(`errexit|\bset\b[^\n]*-[A-Za-z]*e`)
	nounset      = regexp.MustCompile(`nounset|\bset\b[^\n]*-[A-Za-z]*u|\$\{[^}\n]*\?`)
	byLine       = regexp.MustCompile(`\b(alias|shopt)\b`)
	substitution = regexp.MustCompile(`[$<>]\(`)
)

// hints tell what the driver must be prepared for: e, the code may end at a command that fails; u, or at a variable that is not
// set; l, it must be read line by line, since lines change how those after them are read; s, it has substitutions that may be
// unfinished.
func hints(code string) string {
	found := ""
	if errexit.MatchString(code) {
		found += "e"
	}
	if nounset.MatchString(code) {
		found += "u"
	}
	if byLine.MatchString(code) {
		found += "l"
	}
	if substitution.MatchString(code) {
		found += "s"
	}
	return found
}

// shellNames are those that a variable of the shell can have, in order.
func shellNames(env map[string]string) []string {
	var names []string
	for name := range env {
		if isName(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// quote writes text as one word of Bash in one line, since the shell reads line by line: every byte that is not plain is escaped,
// so that no locale matters.
func quote(to *strings.Builder, text string) {
	const hex = "0123456789abcdef"
	to.WriteString("$'")
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\'' || c == '\\':
			to.WriteByte('\\')
			to.WriteByte(c)
		case c == '\n':
			to.WriteString(`\n`)
		case c == 0: // Bash has no NUL, in no value
		case c < ' ' || c == 0x7f:
			to.WriteString(`\x`)
			to.WriteByte(hex[c>>4])
			to.WriteByte(hex[c&15])
		default:
			to.WriteByte(c)
		}
	}
	to.WriteByte('\'')
}

func isName(name string) bool {
	for i, c := range []byte(name) {
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return name != ""
}
