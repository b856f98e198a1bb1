// Package mixed is the framing of a process's output: type, three zero bytes, length, payload (see README.md).
package mixed

import "encoding/binary"

// Frame types.
const (
	Started byte = 0
	Stdout  byte = 1
	Stderr  byte = 2
	Ended   byte = 3
	Time    byte = 4
	Gap     byte = 5
	Event   byte = 6
)

// MaxData is the longest payload of a Stdout or Stderr frame.
const MaxData = 64 << 10

// HeaderSize is the length of a frame's header.
const HeaderSize = 8

// ContentType names the framing.
const ContentType = "application/vnd.k2.mixed"

// AppendHeader appends the header of a frame whose payload has n bytes.
func AppendHeader(b []byte, kind byte, n int) []byte {
	b = append(b, kind, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

// AppendFrame appends a whole frame.
func AppendFrame(b []byte, kind byte, payload []byte) []byte {
	return append(AppendHeader(b, kind, len(payload)), payload...)
}

// AppendNumber appends a Time or Gap frame.
func AppendNumber(b []byte, kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(AppendHeader(b, kind, 8), n)
}
