package main

import "testing"

// As PID 1 without any capability over files the agent watches with the user's rights as well.
func TestWatchInAStrictContainer(t *testing.T) {
	a, _ := contained(t)
	a.want(200, "POST", "/v1/files/mkdir", spec{"path": "/tmp/d", "user": user}, nil)
	w := a.watch("/tmp", user, "recursive=1")
	a.want(200, "PUT", file("/content", "/tmp/d/f", user, "if_none_match=*"), "x", nil)
	a.want(200, "POST", "/v1/files/attributes", spec{"path": "/tmp/d/f", "user": user, "mode": 0o600, "mtime": 1000}, nil)
	a.want(200, "POST", "/v1/files/copy", spec{"from": "/tmp/d", "to": "/tmp/e", "user": user}, nil)
	seen := map[string]bool{}
	for !seen["create /tmp/e/f"] {
		e := w.next()
		seen[e.Type+" "+e.Path] = true
	}
	if !seen["create /tmp/d/f"] || !seen["attributes /tmp/d/f"] || !seen["create /tmp/e"] {
		t.Fatalf("%v", seen)
	}
	a.refused(403, "PERMISSION_DENIED", "POST", "/v1/files/attributes", spec{"path": "/tmp/d/f", "user": user, "owner": "0:0"})
}
