// Package search finds files by their names and by what is in them, with the rights of one user.
package search

import (
	"context"

	"k2sandbox.dev/agent/internal/files"
	"k2sandbox.dev/agent/internal/identity"
)

// GlobResult is sorted by the bytes of the paths. Truncated: there are, or may be, more. Skipped counts folders that could
// not be read.
type GlobResult struct {
	Entries   []files.Entry `json:"entries"`
	Truncated bool          `json:"truncated"`
	Skipped   int           `json:"skipped"`
}

// Glob finds what the pattern matches below the folder path.
func Glob(ctx context.Context, user *identity.User, path string, pattern *Pattern, limit int) (GlobResult, error) {
	found := GlobResult{Entries: []files.Entry{}}
	walk := &files.Walk{Context: ctx, User: user, Enter: pattern.Below, Visit: func(f files.Found) error {
		if !pattern.Match(f.Rel) {
			return nil
		}
		if len(found.Entries) == limit {
			return files.ErrEnough
		}
		var entry files.Entry
		err := user.Do(func() (err error) {
			entry, err = f.Entry()
			return err
		})
		if err == nil { // else it is gone since
			found.Entries = append(found.Entries, entry)
		}
		return nil
	}}
	err := walk.Run(path, false)
	found.Truncated, found.Skipped = walk.Truncated, walk.Skipped
	return found, err
}
