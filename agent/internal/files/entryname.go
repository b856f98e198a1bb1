package files

import (
	"strings"

	"k2sandbox.dev/agent/internal/fault"
)

// entryName checks the name of a tar entry and returns its components; none for the root itself ("./").
func entryName(name string) ([]string, error) {
	unsafe := func(why string) error { return fault.New(fault.ArchiveUnsafe, "entry %q: %s", clip(name), why) }
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return nil, unsafe("empty name or NUL byte")
	}
	if name[0] == '/' {
		return nil, unsafe("absolute name")
	}
	var parts []string
	for _, part := range strings.Split(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return nil, unsafe("leads out with \"..\"")
		case len(part) > maxName:
			return nil, unsafe("a name is longer than 255 bytes")
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) > maxDepth {
		return nil, fault.New(fault.TooLarge, "entry %q is deeper than %d folders", clip(name), maxDepth)
	}
	return parts, nil
}

// linkTarget checks a symlink's target: below the root when read from the link's folder, which is depth folders deep
// and reached without any symlink. ".." may only lead, so that no other link of the archive can change its meaning.
func linkTarget(name, target string, depth int) error {
	unsafe := func(why string) error {
		return fault.New(fault.ArchiveUnsafe, "entry %q: its link to %q %s", clip(name), clip(target), why)
	}
	if target == "" || strings.IndexByte(target, 0) >= 0 || len(target) > maxPath {
		return unsafe("is no path")
	}
	if target[0] == '/' {
		return unsafe("is absolute")
	}
	up, named := 0, false
	for _, part := range strings.Split(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if named {
				return unsafe("has \"..\" after a name")
			}
			up++
		default:
			named = true
		}
	}
	if up > depth {
		return unsafe("leads out")
	}
	return nil
}
