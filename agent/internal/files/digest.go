package files

import (
	"context"
	"encoding/base64"
	"hash"
	"io"

	"k2sandbox.dev/agent/internal/fault"
	"k2sandbox.dev/agent/internal/identity"
	"k2sandbox.dev/agent/internal/sys"
)

// Digest is the hash of a file's content. ETag is "" when the file changed while it was read.
type Digest struct {
	Algorithm string `json:"algorithm"`
	Digest    string `json:"digest"` // base64
	Size      int64  `json:"size"`
	ETag      string `json:"etag,omitempty"`
}

// HashContent reads path as user through h.
func HashContent(ctx context.Context, user *identity.User, path, algorithm string, h hash.Hash) (Digest, error) {
	content, err := OpenContent(user, path)
	if err != nil {
		return Digest{}, err
	}
	defer content.Close()
	if err := content.CopyTo(cancelled{ctx, h}, 0, content.Size); err != nil {
		if err == io.ErrUnexpectedEOF {
			return Digest{}, fault.New(fault.InvalidRequest, "%q was cut while it was read", clip(path))
		}
		return Digest{}, fault.Of(err, clip(path))
	}
	d := Digest{Algorithm: algorithm, Digest: base64.StdEncoding.EncodeToString(h.Sum(nil)), Size: content.Size}
	if st, err := sys.Fstat(int(content.file.Fd())); err == nil && etag(st) == content.ETag {
		d.ETag = content.ETag
	}
	return d, nil
}

// cancelled takes no more when its context has ended.
type cancelled struct {
	ctx context.Context
	io.Writer
}

func (c cancelled) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Writer.Write(b)
}
