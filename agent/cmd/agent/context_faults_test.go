package main

import (
	"os"
	"strings"
	"testing"
)

func TestContextFaults(t *testing.T) {
	needRoot(t)
	a := listening(t)
	c := a.context(contextSpec("bash"))
	for _, bad := range []struct {
		status int
		code   string
		change func(spec)
	}{
		{409, "CONTEXT_EXISTS", func(s spec) { s["id"] = c.ID }},
		{400, "LANGUAGE_NOT_FOUND", func(s spec) { s["language"] = "cobol" }},
		{400, "LANGUAGE_NOT_FOUND", func(s spec) { s["env"] = map[string]string{"PATH": "/nowhere"} }},
		{400, "CWD_NOT_FOUND", func(s spec) { s["cwd"] = "/nowhere" }},
		{400, "CWD_NOT_A_DIRECTORY", func(s spec) { s["cwd"] = "/etc/passwd" }},
		{400, "CWD_NOT_ACCESSIBLE", func(s spec) { s["cwd"] = "/root" }},
		{400, "INVALID_REQUEST", func(s spec) { s["cwd"] = "tmp" }},
		{400, "INVALID_REQUEST", func(s spec) { s["id"] = "../x" }},
		{400, "INVALID_REQUEST", func(s spec) { s["env"] = map[string]string{"A=B": "c"} }},
		{400, "USER_NOT_FOUND", func(s spec) { s["user"] = "nobody-here" }},
	} {
		s := contextSpec("bash")
		bad.change(s)
		if bad.code == "CWD_NOT_ACCESSIBLE" && canEnter("/root") {
			continue
		}
		a.refused(bad.status, bad.code, "POST", "/v1/contexts", s)
	}
	for _, bad := range []struct {
		code   string
		change func(spec)
	}{
		{"CWD_NOT_FOUND", func(s spec) { s["cwd"] = "/nowhere" }},
		{"INVALID_REQUEST", func(s spec) { s["id"] = "" }},
		{"INVALID_REQUEST", func(s spec) { s["timeout_ms"] = -1 }},
		{"INVALID_REQUEST", func(s spec) { s["display_bytes"] = 17 << 20 }},
		{"INVALID_REQUEST", func(s spec) { s["env"] = map[string]string{"": "c"} }},
	} {
		s := code("echo")
		bad.change(s)
		a.refused(400, bad.code, "POST", c.path("/run"), s)
	}
	first := code("echo")
	c.runSpec(first)
	a.refused(409, "PROCESS_EXISTS", "POST", c.path("/run"), first)
	a.refused(409, "PROCESS_EXISTS", "POST", "/v1/processes", command("true").with("id", first["id"]))
	for _, route := range []string{"GET ", "DELETE ", "POST /restart", "POST /interrupt", "POST /run"} {
		method, path, _ := strings.Cut(route, " ")
		a.refused(404, "CONTEXT_NOT_FOUND", method, "/v1/contexts/none"+path, spec{})
	}
	var list struct{ Contexts []contextInfo }
	a.want(200, "GET", "/v1/contexts", nil, &list)
	if len(list.Contexts) != 1 || list.Contexts[0].ID != c.ID || list.Contexts[0].Runs != 1 || list.Contexts[0].State != "idle" {
		t.Fatalf("%+v", list)
	}
}

func canEnter(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&1 != 0
}
