package jupyter

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

const plain = "text/plain"

// bundle is a display in all its forms, by MIME type.
type bundle map[string]json.RawMessage

// readBundle takes what a kernel shows: texts may be lists of lines (as in notebooks), JSON forms may be anything.
func readBundle(data map[string]json.RawMessage) bundle {
	b := bundle{}
	for mime, value := range data {
		var text string
		var lines []string
		switch {
		case isJSON(mime):
			b[mime] = value
			continue
		case json.Unmarshal(value, &text) == nil:
		case json.Unmarshal(value, &lines) == nil:
			text = strings.Join(lines, "")
		default:
			text = string(value)
		}
		b[mime] = quoted(text)
	}
	return b
}

// fit leaves out the largest forms until the rest is within limit bytes as JSON, and cuts the plain text; it says which.
func (b bundle) fit(limit int) []string {
	left := []string{}
	for b.size() > limit {
		largest := ""
		for mime := range b {
			if mime != plain && (largest == "" || len(b[mime]) > len(b[largest])) {
				largest = mime
			}
		}
		if largest == "" {
			left = append(left, b.cutText(limit)...)
			break
		}
		delete(b, largest)
		left = append(left, largest)
	}
	sort.Strings(left)
	return left
}

func (b bundle) size() int {
	text, _ := json.Marshal(b)
	return len(text)
}

func (b bundle) cutText(limit int) []string {
	var text string
	if json.Unmarshal(b[plain], &text) != nil {
		return nil
	}
	// An escape takes six bytes at most for one; what stands around it fits into the rest.
	keep := min(len(text), max(0, limit-200)/6)
	for keep > 0 && !utf8.RuneStart(text[keep]) {
		keep--
	}
	b[plain] = quoted(fmt.Sprintf("%s… %d bytes left out", text[:keep], len(text)-keep))
	return []string{plain}
}

func isJSON(mime string) bool { return mime == "application/json" || strings.HasSuffix(mime, "+json") }

func quoted(text string) json.RawMessage {
	encoded, _ := json.Marshal(text)
	return encoded
}
