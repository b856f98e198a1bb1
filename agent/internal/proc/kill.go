package proc

import (
	"syscall"
	"time"
)

const (
	killBudget = 2 * time.Second
	stopRounds = 20
)

// Killed says what Kill did: how many processes got SIGKILL, and whether none is left.
type Killed struct {
	Killed   int  `json:"killed"`
	Complete bool `json:"complete"`
}

// Kill ends all that the process started, also what left its session. reason becomes the status's unless the main
// process has ended before. Takes up to killBudget. Idempotent.
func (p *Process) Kill(reason string) Killed {
	p.mu.Lock()
	if !p.reaped && p.killReason == "" {
		p.killReason = reason
	}
	p.mu.Unlock()
	return p.table.killAll(func() []seen { return p.table.membersOf(p) })
}

// killAll stops everything that collect finds until nothing new appears (a stopped process can't fork), then kills it.
func (t *Table) killAll(collect func() []seen) Killed {
	deadline := time.Now().Add(killBudget)
	stopped := map[int]bool{}
	for range stopRounds {
		fresh := 0
		for _, s := range collect() {
			if !stopped[s.pid] {
				stopped[s.pid] = true
				fresh++
				_ = syscall.Kill(s.pid, syscall.SIGSTOP)
			}
		}
		if fresh == 0 || time.Now().After(deadline) {
			break
		}
	}
	killed := map[int]bool{}
	for wait := 200 * time.Microsecond; ; wait = min(wait*2, 20*time.Millisecond) {
		left := collect()
		for _, s := range left {
			killed[s.pid] = true
			_ = syscall.Kill(s.pid, syscall.SIGKILL)
		}
		if len(left) == 0 {
			return Killed{len(killed), true}
		}
		if time.Now().After(deadline) {
			return Killed{len(killed), false}
		}
		time.Sleep(wait)
	}
}

// membersOf finds all living processes that p started (see README.md, "Killing everything").
func (t *Table) membersOf(p *Process) []seen {
	if p.tag == 0 {
		// Without tags a child between fork and registration can't be told from an orphan.
		t.forkMu.Lock()
		defer t.forkMu.Unlock()
	}
	all := snapshot(t.self)
	p.mu.Lock()
	pid, reaped := p.pid, p.reaped
	p.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	member := map[int]bool{}
	for _, s := range all {
		owner := t.byPID[s.pid]
		if owner != nil {
			if owner == p {
				member[s.pid] = true
			}
			continue
		}
		foreign := s.tag != p.tag && t.tags[s.tag]
		switch {
		case p.tag != 0 && s.tag == p.tag,
			// After the main process is reaped its pid may name someone else's session.
			(s.session == pid || s.pgrp == pid) && (!reaped || !foreign && p.tag != 0),
			// An orphan whose tag nobody owns has tampered with it.
			p.tag != 0 && s.ppid == t.self && !t.tags[s.tag]:
			member[s.pid] = true
		}
	}
	t.addDescendantsLocked(all, member)
	return pick(all, member)
}

// addDescendantsLocked adds children of members, whatever tag they carry. t.mu held.
func (t *Table) addDescendantsLocked(all []seen, member map[int]bool) {
	for grew := true; grew; {
		grew = false
		for _, s := range all {
			if !member[s.pid] && member[s.ppid] && t.byPID[s.pid] == nil {
				member[s.pid] = true
				grew = true
			}
		}
	}
}

func pick(all []seen, member map[int]bool) []seen {
	var found []seen
	for _, s := range all {
		if member[s.pid] {
			found = append(found, s)
		}
	}
	return found
}

// everything finds all descendants of the agent.
func (t *Table) everything() []seen {
	all := snapshot(t.self)
	member := map[int]bool{}
	for _, s := range all {
		if s.ppid == t.self {
			member[s.pid] = true
		}
	}
	for grew := true; grew; {
		grew = false
		for _, s := range all {
			if !member[s.pid] && member[s.ppid] {
				member[s.pid] = true
				grew = true
			}
		}
	}
	return pick(all, member)
}

// countLeftovers counts what outlived the main process of p.
func (t *Table) countLeftovers(p *Process) int {
	if p.tag == 0 {
		return len(t.membersOf(p))
	}
	buf := make([]byte, 4096)
	count := 0
	for _, pid := range pids() {
		if pid == t.self {
			continue
		}
		t.mu.Lock()
		known := t.byPID[pid] != nil
		t.mu.Unlock()
		if known {
			continue
		}
		if tag, ok := readTag(pid, buf); ok && tag == p.tag {
			if s, ok := look(pid, buf); ok && !s.dead() {
				count++
			}
		}
	}
	return count
}
