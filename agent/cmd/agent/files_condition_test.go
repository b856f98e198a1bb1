package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestETagChangesWithEachWriteAndIsTheSameEverywhere(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	path := dir + "/f"
	seen := map[string]bool{}
	a.want(200, "PUT", file("/content", path, user), "same", nil)
	for range 5 {
		var e, s entry
		a.want(200, "PUT", file("/content", path, user, "if_match=*"), "same", &e)
		if !regexp.MustCompile("^[A-Za-z0-9-]+$").MatchString(e.ETag) || seen[e.ETag] {
			t.Fatalf("%q", e.ETag)
		}
		seen[e.ETag] = true
		a.want(200, "GET", file("/stat", path, user), nil, &s)
		resp, _ := a.do("GET", file("/content", path, user), nil)
		h := resp.Header
		if s.ETag != e.ETag || h.Get("K2-File-Etag") != e.ETag || h.Get("K2-File-Mode") != "0644" || h.Get("K2-File-Mtime") != strconv.FormatInt(e.Mtime, 10) {
			t.Fatalf("%+v %+v %v", e, s, h)
		}
	}
	// A change of equal size with the old mtime is seen as well.
	info, err := os.Stat(path)
	must(t, err)
	var before, after entry
	a.want(200, "GET", file("/stat", path, user), nil, &before)
	must(t, os.WriteFile(path, []byte("emas"), 0o644))
	must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	a.want(200, "GET", file("/stat", path, user), nil, &after)
	if before.ETag == after.ETag || before.Mtime != after.Mtime {
		t.Fatalf("%+v %+v", before, after)
	}
}

func TestConditionsOfWritesAndDeletes(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	path := dir + "/f"
	var e entry
	put := func(status int, condition, body string) {
		t.Helper()
		a.want(status, "PUT", file("/content", path, user, condition), body, &e)
	}
	put(412, "if_match=*", "x")
	put(412, "if_match=1-1-1", "x")
	put(200, "if_none_match=*", "one")
	put(412, "if_none_match=*", "x")
	a.want(200, "GET", file("/stat", path, user), nil, &e)
	first := e.ETag
	put(412, "if_none_match="+first, "x")
	put(200, "if_match="+first, "two")
	put(412, "if_match="+first, "x")
	put(200, "if_none_match="+first, "three")
	put(200, "if_match=*", "four")
	put(400, "if_match=\"quoted\"", "x")
	put(400, "if_match=", "x")
	a.refused(412, "PRECONDITION_FAILED", "DELETE", file("", path, user, "if_match="+first), nil)
	if data, _ := os.ReadFile(path); string(data) != "four" {
		t.Fatalf("%q", data)
	}
	a.want(200, "GET", file("/stat", path, user), nil, &e)
	a.want(204, "DELETE", file("", path, user, "if_match="+e.ETag), nil, nil)
	a.refused(412, "PRECONDITION_FAILED", "DELETE", file("", path, user, "if_match=*"), nil)
	a.refused(400, "INVALID_REQUEST", "DELETE", file("", path, user, "if_none_match=*"), nil)
	noTemps(t, dir)
}

// A condition that became false while the body came is found before the rename.
func TestConditionIsCheckedAgainAfterTheBody(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	for condition, change := range map[string]func(path string){
		"if_none_match=*": func(path string) { put(t, path, "other", 0o666) },
		"if_match=*":      func(path string) { must(t, os.Remove(path)) },
	} {
		path := dir + "/" + condition
		if condition == "if_match=*" {
			a.want(200, "PUT", file("/content", path, user), "old", nil)
		}
		body, send := io.Pipe()
		answer := make(chan *http.Response, 1)
		req := a.request(t.Context(), "PUT", file("/content", path, user, condition), body)
		go func() {
			resp, err := a.http.Do(req)
			if err != nil {
				t.Error(err)
			}
			answer <- resp
		}()
		_, err := send.Write(bytes.Repeat([]byte("x"), 300<<10))
		must(t, err)
		waitFor(t, "the upload to begin", func() bool {
			names, err := os.ReadDir(dir)
			must(t, err)
			for _, name := range names {
				if strings.HasPrefix(name.Name(), ".k2-") {
					return true
				}
			}
			return false
		})
		change(path)
		must(t, send.Close())
		resp := <-answer
		if resp == nil || resp.StatusCode != 412 {
			t.Fatalf("%s: %v", condition, resp)
		}
		resp.Body.Close()
		noTemps(t, dir)
		if data, _ := os.ReadFile(path); len(data) > 5 {
			t.Fatalf("%s: written all the same", condition)
		}
	}
}

// Counting with if_match loses nothing, and of many who make a file one does.
func TestConditionsHoldAmongManyWriters(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	const writers, each = 8, 10
	var made atomic.Int32
	var all sync.WaitGroup
	work := func(method, path, body string) (*http.Response, string) {
		resp, err := a.http.Do(a.request(t.Context(), method, path, body))
		if err != nil {
			t.Error(err)
			return &http.Response{}, ""
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		return resp, string(data)
	}
	for range writers {
		all.Add(1)
		go func() {
			defer all.Done()
			if resp, _ := work("PUT", file("/content", dir+"/n", user, "if_none_match=*"), "0"); resp.StatusCode == 200 {
				made.Add(1)
			}
		}()
	}
	all.Wait()
	if made.Load() != 1 {
		t.Fatalf("%d made the file", made.Load())
	}
	for range writers {
		all.Add(1)
		go func() {
			defer all.Done()
			for done := 0; done < each && !t.Failed(); {
				resp, text := work("GET", file("/content", dir+"/n", user), "")
				n, _ := strconv.Atoi(text)
				resp, _ = work("PUT", file("/content", dir+"/n", user, "if_match="+resp.Header.Get("K2-File-Etag")), fmt.Sprintf("%03d", n+1))
				if resp.StatusCode == 200 {
					done++
				} else if resp.StatusCode != 412 {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		}()
	}
	all.Wait()
	if data, _ := os.ReadFile(dir + "/n"); string(data) != fmt.Sprintf("%03d", writers*each) {
		t.Fatalf("%s", data)
	}
}

func TestWriteGivesTheFileToAnOwner(t *testing.T) {
	needRoot(t)
	a, dir := listening(t), home(t)
	var e entry
	a.want(200, "PUT", file("/content", dir+"/f", "0", "owner=1000:50", "mode=4755"), "x", &e)
	if e.UID != 1000 || e.GID != 50 || e.Mode != 0o4755 {
		t.Fatalf("%+v", e)
	}
	a.want(200, "PUT", file("/content", dir+"/f", "0", "owner=root:root"), "x", &e)
	if e.UID != 0 || e.GID != 0 {
		t.Fatalf("%+v", e)
	}
	a.refused(403, "PERMISSION_DENIED", "PUT", file("/content", dir+"/g", user, "owner=0:0"), "x")
	a.refused(400, "USER_NOT_FOUND", "PUT", file("/content", dir+"/g", user, "owner=nobody-here"), "x")
	if _, err := os.Stat(dir + "/g"); err == nil {
		t.Fatal("the file was made")
	}
	noTemps(t, dir)
}
