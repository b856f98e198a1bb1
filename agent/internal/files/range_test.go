package files

import "testing"

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=5-", "bytes=-5", "bytes=9-1", "bytes=", "bytes=+1-2", "lines=1-2", "bytes=0-1,2-3", "bytes=-0", "bytes=99999999999999999999-"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		offset, length, err := ParseRange(header, size)
		if err == nil && (offset < 0 || length <= 0 || offset > size-length) {
			t.Fatalf("%q of %d: offset %d, length %d", header, size, offset, length)
		}
	})
}
