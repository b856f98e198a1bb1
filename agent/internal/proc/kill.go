package proc

import (
	"bytes"
	"strconv"
	"syscall"
	"time"
)

const (
	killBudget   = 2 * time.Second
	stopRounds   = 20
	timeoutKills = 30
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
	// Most of it stands still at once, whatever the load: looking through /proc takes long when a hundred busy processes
	// share the sandbox's processor with the agent. Killed here, they would take with them who started what.
	_ = p.Signal(syscall.SIGSTOP, true)
	killed := p.table.killAll(func() []seen { return p.table.membersOf(p) })
	if !killed.Complete {
		p.hangUp()
	}
	return killed
}

// killUntilGone ends what a timeout is over for. On a sandbox that is busy beyond its share of the processor one Kill
// may not be enough.
func (p *Process) killUntilGone() {
	for range timeoutKills {
		if p.Kill(ReasonTimeout).Complete {
			return
		}
	}
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
				t.send(s.pid, syscall.SIGSTOP)
			}
		}
		if fresh == 0 || time.Now().After(deadline) {
			break
		}
	}
	killed := map[int]bool{}
	empty := 0 // twice: a process whose parent ended during the first look may have been missed
	for wait := 200 * time.Microsecond; ; wait = min(wait*2, 20*time.Millisecond) {
		left := collect()
		for _, s := range left {
			killed[s.pid] = true
			t.send(s.pid, syscall.SIGKILL)
		}
		if len(left) == 0 {
			if empty++; empty == 2 {
				return Killed{len(killed), true}
			}
			continue
		}
		empty = 0
		if time.Now().After(deadline) {
			return Killed{len(killed), false}
		}
		time.Sleep(wait)
	}
}

// send is the only way a kill reaches a process found in /proc. 0, 1 and negative numbers mean groups, everybody or
// init, and are never what was meant.
func (t *Table) send(pid int, sig syscall.Signal) {
	if pid > 1 && pid != t.self {
		_ = syscall.Kill(pid, sig) // ESRCH: it ended by itself
	}
}

// membersOf finds all living processes that p started (see README.md, "Killing everything").
func (t *Table) membersOf(p *Process) []seen {
	if p.tag == 0 {
		// Without tags a child between fork and registration can't be told from an orphan.
		t.forkMu.Lock()
		defer t.forkMu.Unlock()
	}
	return t.selectMembers(p, snapshot(t.self))
}

// selectMembers finds p's among all.
func (t *Table) selectMembers(p *Process, all []seen) []seen {
	p.mu.Lock()
	pid, reaped := p.pid, p.reaped
	p.mu.Unlock()
	if pid <= 1 {
		return nil // never started
	}
	ours := descendants(all, t.self)
	t.mu.Lock()
	defer t.mu.Unlock()
	member := map[int]bool{}
	for _, s := range all {
		// All that a command starts descends from the agent, which is init or a subreaper. A tag alone is proof
		// enough: a parent that ends during the scan breaks the chain for this round.
		if !ours[s.pid] && (p.tag == 0 || s.tag != p.tag) {
			continue
		}
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

// addDescendantsLocked adds children of members, whatever tag they carry, except other commands. t.mu held.
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

// descendants are all below root, root itself not.
func descendants(all []seen, root int) map[int]bool {
	found := map[int]bool{}
	if root <= 0 {
		return found
	}
	for grew := true; grew; {
		grew = false
		for _, s := range all {
			if !found[s.pid] && s.pid != root && (s.ppid == root || found[s.ppid]) {
				found[s.pid] = true
				grew = true
			}
		}
	}
	return found
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
	return pick(all, descendants(all, t.self))
}

// countLeftovers counts what outlived the main process of p.
func (t *Table) countLeftovers(p *Process) int {
	if t.noOrphans() {
		return 0
	}
	if p.tag == 0 {
		return len(t.membersOf(p))
	}
	buf := make([]byte, 4096)
	count := 0
	for _, pid := range pids() {
		if pid == t.self || t.isOwn(pid) {
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

// noOrphans is the quick answer for most commands. Whatever outlives a main process has an ancestor that is now a
// child of the agent's first thread, where the kernel hangs orphans. false also when the kernel can't tell
// (CONFIG_PROC_CHILDREN), or when there are too many to read at once.
func (t *Table) noOrphans() bool {
	buf := make([]byte, 1024)
	text, ok := readProcFile(t.self, "/task/"+itoa(t.self)+"/children", buf)
	if !ok { // nil: not there
		return text != nil && len(text) == 0
	}
	if len(text) == len(buf) {
		return false
	}
	for _, field := range bytes.Fields(text) {
		pid, err := strconv.Atoi(string(field))
		if err != nil || !t.isOwn(pid) {
			return false
		}
	}
	return true
}

func (t *Table) isOwn(pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byPID[pid] != nil
}
