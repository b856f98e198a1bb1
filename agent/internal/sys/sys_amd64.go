package sys

const (
	sysRenameat2 = 316
	sysStatx     = 332
)
