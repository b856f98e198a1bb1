package files

import (
	"strconv"
	"strings"

	"k2sandbox.dev/agent/internal/fault"
)

// ParseRange reads a Range header with one range of bytes (RFC 9110, 14.1.2) for content of size bytes. It fails with
// INVALID_REQUEST or RANGE_NOT_SATISFIABLE.
func ParseRange(header string, size int64) (offset, length int64, err error) {
	malformed := fault.New(fault.InvalidRequest, "range %q: need bytes=a-b, bytes=a- or bytes=-n", clip(header))
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !found || first == "" && last == "" {
		return 0, 0, malformed
	}
	number := func(s string) (int64, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && s[0] >= '0' && s[0] <= '9'
	}
	unsatisfiable := fault.New(fault.RangeNotSatisfiable, "range %q: the file has %d bytes", clip(header), size)
	if first == "" {
		n, ok := number(last)
		if !ok {
			return 0, 0, malformed
		}
		if n == 0 || size == 0 {
			return 0, 0, unsatisfiable
		}
		n = min(n, size)
		return size - n, n, nil
	}
	a, ok := number(first)
	if !ok {
		return 0, 0, malformed
	}
	b := size - 1
	if last != "" {
		if b, ok = number(last); !ok || b < a {
			return 0, 0, malformed
		}
	}
	if a >= size {
		return 0, 0, unsatisfiable
	}
	return a, min(b, size-1) - a + 1, nil
}
