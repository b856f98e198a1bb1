package search

import (
	"bufio"
	"bytes"
	"io"
	"os"

	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
)

const (
	// binaryProbe is how far a NUL byte makes a file binary.
	binaryProbe = 8 << 10
	// maxLine bounds what is searched at once: of a longer line each piece is searched alone.
	maxLine = 1 << 20
	// maxText bounds what is shown of a line.
	maxText  = 1_000
	readSize = 128 << 10
)

// lines is the search in one file.
type lines struct {
	grep    *grep
	path    string
	number  int
	column  int      // bytes of this line that came before the piece
	matched bool     // an earlier piece of this line did
	before  []string // the latest lines
	waiting []*Match // for lines after them, oldest first
}

func (g *grep) file(f files.Found) error {
	var file *os.File
	var size int64
	err := g.user.Do(func() (err error) {
		file, size, err = f.Open()
		return err
	})
	if err != nil {
		g.found.Skipped++
		return nil
	}
	defer file.Close()
	r := g.reader
	r.Reset(&boundedReader{grep: g, file: file, left: maxFile})
	head, err := r.Peek(binaryProbe)
	if size > maxFile || err != nil && err != io.EOF || bytes.IndexByte(head, 0) >= 0 {
		g.found.Skipped++
		return g.ctx.Err()
	}
	g.found.Searched++
	l := &lines{grep: g, path: f.Full, number: 1}
	return l.search(r)
}

// boundedReader reads within the bound of busy threads, until the caller has left.
type boundedReader struct {
	grep *grep
	file *os.File
	left int64
}

func (b *boundedReader) Read(p []byte) (n int, err error) {
	if err := b.grep.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	err = identity.Blocking(func() (err error) {
		n, err = b.file.Read(p[:min(int64(len(p)), b.left)])
		return err
	})
	b.left -= int64(n)
	return n, err
}

func (l *lines) search(r *bufio.Reader) error {
	var long []byte
	for {
		if len(long) == 0 {
			l.leap(r)
		}
		piece, err := r.ReadSlice('\n')
		if err == bufio.ErrBufferFull || len(long) > 0 {
			long = append(long, piece...)
			piece = long
			if err == bufio.ErrBufferFull && len(long) < maxLine {
				continue
			}
			long = long[:0]
		}
		if ctxErr := l.grep.ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		whole := err != bufio.ErrBufferFull
		if len(piece) > 0 {
			if failed := l.piece(piece, whole); failed != nil {
				return failed
			}
		}
		if err != nil && whole { // the end, or a file that can be read no further
			return l.finish(len(l.waiting))
		}
	}
}

// leap passes over the lines at hand that lack the text every match begins with: many times faster than line by line.
func (l *lines) leap(r *bufio.Reader) {
	if len(l.grep.prefix) == 0 || l.grep.query.Context > 0 || l.column > 0 {
		return
	}
	ahead, _ := r.Peek(r.Buffered()) // what is buffered is there
	if at := bytes.Index(ahead, l.grep.prefix); at >= 0 {
		ahead = ahead[:at]
	}
	ahead = ahead[:bytes.LastIndexByte(ahead, '\n')+1]
	l.number += bytes.Count(ahead, []byte("\n"))
	_, _ = r.Discard(len(ahead))
}

// piece searches a line, or with whole=false a part of one that goes on.
func (l *lines) piece(piece []byte, whole bool) error {
	text := bytes.TrimSuffix(piece, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	first := l.column == 0
	if first {
		if err := l.after(text); err != nil {
			return err
		}
	}
	if at := l.grep.expression.FindIndex(text); at != nil && !l.matched {
		l.matched = true
		if err := l.found(text, at, first && whole); err != nil {
			return err
		}
	}
	if n := l.grep.query.Context; first && n > 0 {
		if len(l.before) == n {
			l.before = l.before[1:]
		}
		shown, _ := files.Text(string(text[:min(len(text), maxText)]))
		l.before = append(l.before, shown)
	}
	l.column += len(piece)
	if whole {
		l.number, l.column, l.matched = l.number+1, 0, false
	}
	return nil
}

func (l *lines) found(text []byte, at []int, all bool) error {
	from, to := around(len(text), at[0], at[1])
	m := &Match{Line: l.number, Column: l.column + at[0] + 1, TextTruncated: !all || to-from < len(text)}
	m.Path, m.PathBase64 = files.Text(l.path)
	m.Text, m.TextBase64 = files.Text(string(text[from:to]))
	m.Before = append(m.Before, l.before...)
	if l.grep.query.Context == 0 {
		return l.grep.add(m)
	}
	l.waiting = append(l.waiting, m)
	return nil
}

// around picks maxText bytes with the match in their middle, or its beginning.
func around(size, start, end int) (from, to int) {
	from = max(0, start-max(0, maxText-(end-start))/2)
	to = min(size, from+maxText)
	return max(0, min(from, to-maxText)), to
}

// after gives a line to the matches before it; they are complete in the order in which they came.
func (l *lines) after(text []byte) error {
	if len(l.waiting) == 0 {
		return nil
	}
	shown, _ := files.Text(string(text[:min(len(text), maxText)]))
	complete := 0
	for _, m := range l.waiting {
		if m.After = append(m.After, shown); len(m.After) == l.grep.query.Context {
			complete++
		}
	}
	return l.finish(complete)
}

func (l *lines) finish(n int) error {
	for _, m := range l.waiting[:n] {
		if err := l.grep.add(m); err != nil {
			return err
		}
	}
	l.waiting = l.waiting[n:]
	return nil
}
