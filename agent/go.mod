module k2sandbox.dev/agent

go 1.24
