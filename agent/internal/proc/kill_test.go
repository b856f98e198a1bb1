package proc

import (
	"slices"
	"testing"
)

// machine is a process table as an agent that is not PID 1 sees it: init, a kernel thread and a session 0 that came
// from outside the namespace, the agent (100), its processes 200 (tag 5) and 300 (tag 6) with what they started.
var machine = []seen{
	{pid: 1, ppid: 0, pgrp: 0, session: 0},
	{pid: 2, ppid: 0, pgrp: 0, session: 0},
	{pid: 50, ppid: 1, pgrp: 50, session: 50},
	{pid: 51, ppid: 50, pgrp: 50, session: 50},
	{pid: 200, ppid: 100, pgrp: 200, session: 200, tag: 5},
	{pid: 201, ppid: 200, pgrp: 200, session: 200, tag: 5},
	{pid: 202, ppid: 100, pgrp: 202, session: 202, tag: 5}, // escaped
	{pid: 203, ppid: 201, pgrp: 203, session: 203, tag: 6}, // forged the other's tag, but its parents tell
	{pid: 204, ppid: 100, pgrp: 200, session: 200, tag: 6}, // forged, but its session tells
	{pid: 205, ppid: 100, pgrp: 205, session: 205, tag: 0}, // forged to nobody's tag
	{pid: 206, ppid: 999, pgrp: 206, session: 206, tag: 5}, // its parent ended during the scan
	{pid: 300, ppid: 100, pgrp: 300, session: 300, tag: 6},
	{pid: 301, ppid: 300, pgrp: 300, session: 300, tag: 6},
}

func testTable() (*Table, *Process, *Process) {
	a, b := &Process{ID: "a", pid: 200, tag: 5}, &Process{ID: "b", pid: 300, tag: 6}
	t := &Table{self: 100, byPID: map[int]*Process{200: a, 300: b}, tags: map[uint64]bool{5: true, 6: true}}
	return t, a, b
}

func pidsOf(found []seen) []int {
	var list []int
	for _, s := range found {
		list = append(list, s.pid)
	}
	return list
}

func TestMembersAreAllThatACommandStartedAndNothingElse(t *testing.T) {
	table, a, b := testTable()
	if got, want := pidsOf(table.selectMembers(a, machine)), []int{200, 201, 202, 203, 204, 205, 206}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got := pidsOf(table.selectMembers(b, machine))
	for _, outside := range []int{1, 2, 50, 51, 100, 200, 201, 202} {
		if slices.Contains(got, outside) {
			t.Errorf("%d is not b's: %v", outside, got)
		}
	}
}

func TestProcessWithoutPidHasNoMembers(t *testing.T) {
	table, _, _ := testTable()
	for _, pid := range []int{-1, 0, 1} {
		if got := table.selectMembers(&Process{pid: pid, tag: 7}, machine); len(got) != 0 {
			t.Errorf("pid %d: %v", pid, pidsOf(got))
		}
		if err := (&Process{pid: pid}).Signal(0, true); err == nil {
			t.Errorf("pid %d was signalled", pid)
		}
	}
}

func TestNothingOutsideTheAgentIsEverAMember(t *testing.T) {
	table, _, _ := testTable()
	// Sessions and groups named like our pid outside, with and without tags, running and reaped.
	outside := []seen{
		{pid: 1, ppid: 0, pgrp: 200, session: 200},
		{pid: 60, ppid: 1, pgrp: 200, session: 200},
		{pid: 61, ppid: 60, pgrp: 60, session: 60},
	}
	for _, p := range []*Process{{pid: 200, tag: 5}, {pid: 200}, {pid: 200, tag: 5, reaped: true}, {pid: 200, reaped: true}} {
		if got := table.selectMembers(p, outside); len(got) != 0 {
			t.Errorf("%+v: %v", p.tag, pidsOf(got))
		}
	}
	if got := pidsOf(pick(machine, descendants(machine, 100))); slices.Contains(got, 1) || slices.Contains(got, 50) || len(got) != 8 {
		t.Errorf("everything: %v", got)
	}
}
