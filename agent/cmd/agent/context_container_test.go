package main

import "testing"

// withPrograms gives a strict container this machine's programs.
func withPrograms(t *testing.T, more ...string) *agent {
	t.Helper()
	a, _ := contained(t, append([]string{"-v", "/usr:/usr:ro", "-v", "/usr/bin:/bin:ro", "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro"}, more...)...)
	return a
}

func TestContextsInAStrictContainer(t *testing.T) {
	a := withPrograms(t, "--memory", "128m", "--memory-swap", "128m")
	c := a.context(contextSpec("python").with("env", map[string]string{"PATH": "/usr/bin"}))
	res := c.run("import os, time; open('/dev/stdout', 'w').write('out\\n'); os.system('echo err >/dev/stderr'); os.getuid()")
	if res.text() != "1000" || string(res.stdout) != "out\n" || string(res.stderr) != "err\n" {
		t.Fatalf("%q %q %+v", res.stdout, res.stderr, res.events)
	}
	large := c.run("block = bytearray(40 << 20); del block; time.sleep(0.01)").last.Memory
	small := c.run("time.sleep(0.01)").last.Memory
	if large < 40<<20 || small > large-(30<<20) || small < 4<<20 {
		t.Errorf("peaks %d and %d", large, small)
	}
	res = c.run("block = b'x' * (200 << 20)")
	if *res.last.Reason != "out_of_memory" || !res.last.StateLost || *res.last.ExitCode != 137 || res.last.Memory < 40<<20 {
		t.Fatalf("%s %+v", *res.last.Reason, res.last)
	}
	if got := c.run("'block' in globals()").text(); got != "False" {
		t.Fatal(got)
	}
	b := a.context(contextSpec("bash").with("env", map[string]string{"PATH": "/usr/bin"}))
	b.expect(cell{code: "echo out >/dev/stdout; echo err >/dev/stderr; id -u", stdout: "out\n1000\n", stderr: "err\n"})
}

func TestContextsWhereNoProcessCanBeStarted(t *testing.T) {
	a := withPrograms(t, "--pids-limit", "80")
	c := a.context(contextSpec("bash").with("env", map[string]string{"PATH": "/usr/bin"}))
	bomb := guest("bomb")
	a.start(bomb)
	waitFor(t, "the table to fill", func() bool {
		resp, _ := a.do("POST", "/v1/processes", guest("hello"))
		return resp.StatusCode == 503
	})
	c.expect(cell{code: "x=1; echo $x", stdout: "1\n"})
	a.refused(503, "TOO_MANY_PROCESSES", "POST", "/v1/contexts", contextSpec("bash").with("env", map[string]string{"PATH": "/usr/bin"}))
	a.want(200, "POST", "/v1/processes/"+bomb["id"].(string)+"/kill", nil, nil)
	c.expect(cell{code: "echo $(echo $x)", stdout: "1\n"})
}
