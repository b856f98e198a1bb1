package main

import (
	"strings"
	"testing"
)

// cell is one run of Bash, and what is expected of it.
type cell struct {
	code, stdout, stderr string
	exitCode             int
	error                string // its name
}

func (c *testContext) expect(want cell) {
	c.t.Helper()
	res := c.run(want.code)
	got := cell{want.code, string(res.stdout), string(res.stderr), *res.last.ExitCode, ""}
	if len(res.events) > 0 {
		got.error = res.events[0].Name
	}
	if got != want || *res.last.Reason != "exited" || res.last.StateLost {
		c.t.Errorf("got  %+v\nwant %+v\n%+v", got, want, res.last)
	}
}

func TestBashKeepsItsState(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	for _, want := range []cell{
		{code: "x=5; f() { echo f $x; }; alias ll='echo alias'; cd /usr; trap 'echo usr1' USR1; shopt -s extglob; declare -A m=([a]=1)"},
		{code: "f; ll; pwd; kill -USR1 $$; shopt -q extglob; echo ${m[a]} $OF_CONTEXT", stdout: "f 5\nalias\n/usr\nusr1\n1 yes\n"},
		{code: "false", exitCode: 1, error: "ExitError"},
		{code: "echo $?", stdout: "1\n"},
		{code: "echo $LINENO\n\necho $LINENO", stdout: "1\n3\n"},
		{code: "cat <<EOF\nhere $x\nEOF", stdout: "here 5\n"},
		{code: "printf %s 'ü \\ \" '\\''\tx'", stdout: "ü \\ \" '\tx"},
		{code: "read -r line; echo $?", stdout: "1\n"},
		{code: "set -x; :", stderr: "+++ :\n"},
		{code: "set +x", stderr: "+++ set +x\n"},
		{code: "PS1='prompt '; PROMPT_COMMAND='echo prompt'; TMOUT=1"},
		{code: "ls /proc/self/fd | tr '\\n' ' '", stdout: "0 1 2 3 "},
		{code: "break; continue; echo on", stdout: "on\n", stderr: "bash: break: only meaningful in a `for', `while', or `until' loop\n" +
			"bash: continue: only meaningful in a `for', `while', or `until' loop\n"},
		{code: ""},
		{code: "# nothing"},
		{code: "echo a \\", stdout: "a\n"},
		{code: "exec > /dev/null; echo gone"},
	} {
		c.expect(want)
	}
}

func TestBashExitEndsTheRunOnly(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	for _, want := range []cell{
		{code: "x=1; exit 3; x=2", exitCode: 3, error: "ExitError"},
		{code: "exit 0; echo not"},
		{code: "echo $x; f() { while :; do exit 259; done; }; f; echo not", stdout: "1\n", exitCode: 3, error: "ExitError"},
		{code: "(exit 4); echo $?; y=$(exit 5); echo $?; echo | exit 6; echo $?", stdout: "4\n5\n6\n"},
		{code: "exit no", stderr: "bash: exit: no: numeric argument required\n", exitCode: 2, error: "ExitError"},
		{code: "trap 'echo int' INT; exit 7", exitCode: 7, error: "ExitError"},
		{code: "trap -p INT; trap - INT", stdout: "trap -- 'echo int' SIGINT\n"},
		{code: "nosuchthing", stderr: "bash: nosuchthing: command not found\n", exitCode: 127, error: "ExitError"},
	} {
		c.expect(want)
	}
}

func TestBashErrexit(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	for _, want := range []cell{
		{code: "x=1\nset -e\nfalse\necho not", exitCode: 1, error: "ExitError"},
		{code: "echo $x $-", stdout: "1 ehiBEs\n"},
		{code: "if false; then :; fi; false || echo ok; f() { (exit 9); echo not; }; f; echo not", stdout: "ok\n", exitCode: 9, error: "ExitError"},
		{code: "(false; echo not); echo not", exitCode: 1, error: "ExitError"},
		{code: "y=$(false; echo $x); echo \"[$y]\"", stdout: "[1]\n"},
		{code: "trap 'echo err $?' ERR; (exit 8); echo not", stdout: "err 8\n", exitCode: 8, error: "ExitError"},
		{code: "set +e; trap -p ERR; trap - ERR; false; echo $-", stdout: "trap -- '__k2_note $? || {\necho err $?\n}\n__k2_failed' ERR\nhiBEs\n"},
		{code: "echo $-; trap -p ERR", stdout: "hiBs\n"},
		{code: "trap 'echo err' ERR; false; true", stdout: "err\n"},
		{code: "trap - ERR; set -u\necho $nope\necho not", stderr: "bash: nope: unbound variable\n", exitCode: 1, error: "ExitError"},
		{code: "set +u; f() { : ${z:?is empty}; }; f\necho not", stderr: "bash: z: is empty\n", exitCode: 1, error: "ExitError"},
		{code: "set -euo pipefail\nfalse | true\necho not", exitCode: 1, error: "ExitError"},
		{code: "set +euo pipefail; echo $x", stdout: "1\n"},
	} {
		c.expect(want)
	}
}

func TestBashSyntaxErrors(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	for _, code := range []string{"if", "echo 'a", "fi", "echo $(", "f() {", "((1"} {
		res := c.run("x=1\n" + code)
		if len(res.events) != 1 || res.events[0].Name != "SyntaxError" || *res.last.ExitCode != 2 || !strings.HasPrefix(string(res.stderr), "bash: ") {
			t.Errorf("%q: %q %+v %+v", code, res.stderr, res.events, res.last)
		}
	}
	c.expect(cell{code: "echo $x", stdout: "1\n"})
}

func TestBashBackgroundJobsGoOn(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	c.expect(cell{code: "mkfifo /tmp/$$.fifo; (read -r line </tmp/$$.fifo; echo got $line) & job=$!"})
	c.expect(cell{code: "echo it >/tmp/$$.fifo; wait $job; echo waited $?; rm /tmp/$$.fifo", stdout: "got it\nwaited 0\n"})
	c.expect(cell{code: "jobs"})
}

func TestBashInterrupts(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	c.expect(cell{code: "x=1"})
	for _, code := range []string{
		"echo ready; while :; do :; done", "echo ready; sleep 1000; echo not", "f() { sleep 1000 | cat; echo not; }; echo ready; f",
		"echo ready; wait $(sleep 1000)", "sleep 1000 & echo ready; wait", "set -e; echo ready; sleep 1000; echo not",
		"echo ready; read -r line < <(sleep 1000); echo not", "echo ready; while sleep 0.0001; do :; done",
		"echo ready; while :; do y=$(/bin/echo y); done",
	} {
		t.Log(code)
		s := c.begin(spec{"id": nextID(), "code": code})
		readUntil(t, s.body, "ready\n")
		c.want(204, "POST", c.path("/interrupt"), nil, nil)
		res := s.read()
		if len(res.events) != 1 || res.events[0].Name != "KeyboardInterrupt" || *res.last.ExitCode != 130 || len(res.stdout) > 0 || len(res.stderr) > 0 {
			t.Errorf("%q: %q %q %+v %+v", code, res.stdout, res.stderr, res.events, res.last)
		}
	}
	c.expect(cell{code: "set +e; echo $x; echo $-", stdout: "1\nhiBEs\n"})
	if info := c.info(); info.Restarts != 0 {
		t.Fatalf("%+v", info)
	}
}

func TestBashPutsBackWhatARunWasGiven(t *testing.T) {
	needRoot(t)
	c := listening(t).context(contextSpec("bash"))
	c.expect(cell{code: "A=own; export B=$'mine\\n\\'too\\''; C=(1 2); cd /usr"})
	given := spec{"cwd": "/tmp", "env": map[string]string{"A": "a b'c\n", "B": "2", "C": "3", "D": "4", "not-a-name": "5"}}
	for _, end := range []string{"", "; exit 3", "; kill -INT $$", "; (", "; cd /; unset B; D=5"} {
		res := c.runSpec(spec{"id": nextID(), "code": "pwd; echo \"$A\" $B $C $D; printenv A D" + end, "cwd": given["cwd"], "env": given["env"]})
		if string(res.stdout) != "/tmp\na b'c\n 2 3 4\na b'c\n\n4\n" && end != "; (" {
			t.Errorf("%q: %q", end, res.stdout)
		}
		c.expect(cell{
			code:   "pwd; echo $A \"$B\" ${C[1]} ${D-unset}; printenv A; printenv B; true",
			stdout: "/usr\nown mine\n'too' 2 unset\nmine\n'too'\n",
		})
	}
}
