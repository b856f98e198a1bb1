package sys

const (
	sysRenameat2 = 276
	sysStatx     = 291
)
