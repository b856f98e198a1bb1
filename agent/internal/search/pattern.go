package search

import (
	"strings"
	"unicode/utf8"

	"k2sandbox.dev/agent/internal/fault"
)

const (
	maxPattern      = 4096
	maxAlternatives = 256
)

// Pattern is a glob over paths: * and ? within a name, [a-z] and [!a-z], ** for any number of folders, {a,b}, and \ before
// what is to be taken as it is.
type Pattern struct {
	alternatives [][]string // of segments
	hidden       bool
}

// ParsePattern reads a pattern of relative paths. Without hidden, a name that begins with a dot is matched only by a
// segment that does, too. Fails with INVALID_REQUEST.
func ParsePattern(text string, hidden bool) (*Pattern, error) {
	if text == "" || len(text) > maxPattern || strings.IndexByte(text, 0) >= 0 || text[0] == '/' {
		return nil, fault.New(fault.InvalidRequest, "pattern: need 1 to %d bytes, relative, without NUL", maxPattern)
	}
	texts, err := expand(text)
	if err != nil {
		return nil, err
	}
	p := &Pattern{hidden: hidden}
	for _, text := range texts {
		var segments []string
		for _, s := range strings.Split(text, "/") {
			switch {
			case s == "" || s == ".":
			case s == "..":
				return nil, fault.New(fault.InvalidRequest, "pattern: \"..\" leads out")
			case s == "**" && len(segments) > 0 && segments[len(segments)-1] == "**":
			default:
				segments = append(segments, s)
			}
		}
		if len(segments) == 0 {
			return nil, fault.New(fault.InvalidRequest, "pattern: %q names nothing", text)
		}
		if segments[len(segments)-1] == "**" { // all below, not the folder itself
			segments = append(segments, "*")
		}
		p.alternatives = append(p.alternatives, segments)
	}
	return p, nil
}

// expand writes out the braces.
func expand(text string) ([]string, error) {
	done := []string{}
	for todo := []string{text}; len(todo) > 0; {
		if len(todo)+len(done) > maxAlternatives {
			return nil, fault.New(fault.InvalidRequest, "pattern: its braces have more than %d alternatives", maxAlternatives)
		}
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		before, choices, after, ok := firstBraces(at)
		if !ok {
			done = append(done, at)
			continue
		}
		for _, c := range choices {
			todo = append(todo, before+c+after)
		}
	}
	return done, nil
}

// firstBraces finds the first {a,b}; one without a comma or an end is text.
func firstBraces(text string) (before string, choices []string, after string, ok bool) {
	open, depth, from := -1, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '{':
			if depth++; depth == 1 {
				open, from, choices = i, i+1, nil
			}
		case c == ',' && depth == 1:
			choices, from = append(choices, text[from:i]), i+1
		case c == '}' && depth > 0:
			if depth--; depth == 0 && choices != nil {
				return text[:open], append(choices, text[from:i]), text[i+1:], true
			}
		}
	}
	return "", nil, "", false
}

// Match says whether the pattern matches the whole path.
func (p *Pattern) Match(rel string) bool {
	return p.any(rel, func(reached []bool) bool { return reached[len(reached)-1] })
}

// Below says whether it can match anything in the folder rel.
func (p *Pattern) Below(rel string) bool {
	return p.any(rel, func(reached []bool) bool {
		for _, r := range reached[:len(reached)-1] {
			if r {
				return true
			}
		}
		return false
	})
}

func (p *Pattern) any(rel string, ok func(reached []bool) bool) bool {
	for _, segments := range p.alternatives {
		if ok(p.reach(segments, rel)) {
			return true
		}
	}
	return false
}

// reach says before which segments one can be after rel: all ways at once, so that no pattern takes long.
func (p *Pattern) reach(segments []string, rel string) []bool {
	now := make([]bool, len(segments)+1)
	now[0] = true
	for name := range strings.SplitSeq(rel, "/") {
		next := make([]bool, len(segments)+1)
		for i, s := range segments {
			if i > 0 && segments[i-1] == "**" && now[i-1] {
				now[i] = true // ** for no folder
			}
			if !now[i] {
				continue
			}
			dot := name[:min(1, len(name))] == "."
			if s == "**" {
				next[i] = next[i] || p.hidden || !dot
			} else if (!dot || p.hidden || s[0] == '.') && matchName(s, name) {
				next[i+1] = true
			}
		}
		now = next
	}
	for i := range segments {
		if segments[i] == "**" && now[i] {
			now[i+1] = true
		}
	}
	return now
}

// matchName matches one name. A later * makes an earlier one's choice final, so the work is at most the product of both
// lengths.
func matchName(pattern, name string) bool {
	starPattern, starName, starred := "", "", false
	for {
		switch {
		case pattern != "" && pattern[0] == '*':
			pattern = pattern[1:]
			starPattern, starName, starred = pattern, name, true
			continue
		case pattern != "" && name != "":
			_, size := utf8.DecodeRuneInString(name)
			if rest, ok := matchOne(pattern, name[:size]); ok {
				pattern, name = rest, name[size:]
				continue
			}
		case pattern == "" && name == "":
			return true
		}
		if !starred || starName == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(starName)
		starName = starName[size:]
		pattern, name = starPattern, starName
	}
}

// matchOne matches char, one character or one byte that is none, with the pattern's first element.
func matchOne(pattern, char string) (rest string, ok bool) {
	switch pattern[0] {
	case '?':
		return pattern[1:], true
	case '[':
		if rest, ok, closed := matchClass(pattern[1:], char); closed {
			return rest, ok
		}
	case '\\':
		if len(pattern) > 1 {
			pattern = pattern[1:]
		}
	}
	_, size := utf8.DecodeRuneInString(pattern)
	return pattern[size:], pattern[:size] == char
}

// matchClass matches [...]; one without an end is text.
func matchClass(class, char string) (rest string, ok, closed bool) {
	wanted, _ := utf8.DecodeRuneInString(char)
	negated := class != "" && (class[0] == '!' || class[0] == '^')
	if negated {
		class = class[1:]
	}
	for first := true; class != ""; first = false {
		if class[0] == ']' && !first {
			return class[1:], ok != negated, true
		}
		low, size := classRune(class)
		class = class[size:]
		high := low
		if len(class) > 1 && class[0] == '-' && class[1] != ']' {
			high, size = classRune(class[1:])
			class = class[1+size:]
		}
		ok = ok || low <= wanted && wanted <= high
	}
	return "", false, false
}

func classRune(class string) (rune, int) {
	if class[0] == '\\' && len(class) > 1 {
		r, size := utf8.DecodeRuneInString(class[1:])
		return r, size + 1
	}
	return utf8.DecodeRuneInString(class)
}
