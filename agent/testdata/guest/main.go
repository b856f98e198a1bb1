// Command guest is all that the image of the container tests holds: a static program that behaves badly on request.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	mode := "hello"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "hello":
		status, _ := os.ReadFile("/proc/self/status")
		for _, line := range strings.Split(string(status), "\n") {
			if strings.HasPrefix(line, "CapEff") || strings.HasPrefix(line, "NoNewPrivs") {
				fmt.Println(line)
			}
		}
		fmt.Println("hello", os.Getuid(), os.Getgid(), os.Getenv("HOME"))
	case "terminal":
		if _, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err != nil { // there is a controlling one
			fmt.Println(err)
		}
		var st syscall.Stat_t
		_ = syscall.Fstat(0, &st)
		fmt.Printf("owner %d mode %o\n", st.Uid, st.Mode&0o777)
	case "listen": // and gives back what it gets
		l, err := net.Listen("tcp", os.Args[2])
		for err == nil {
			var c net.Conn
			if c, err = l.Accept(); err == nil {
				go func() { _, _ = io.Copy(c, c) }()
			}
		}
		fmt.Println(err)
	case "sleep":
		time.Sleep(time.Hour)
	case "bomb": // fills the process table and keeps trying
		for {
			if exec.Command("/guest", "sleep").Start() != nil {
				time.Sleep(time.Millisecond)
			}
		}
	case "memory":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
		}
	case "touch": // what the agent's own things look like from inside
		_, err1 := os.ReadFile("/proc/1/environ")
		_, err2 := os.Readlink("/proc/1/fd/0")
		_, err3 := os.OpenFile("/proc/1/fd/2", os.O_WRONLY, 0)
		_, err4 := os.OpenFile("/proc/1/mem", os.O_RDWR, 0)
		fmt.Println(err1 != nil, err2 != nil, err3 != nil, err4 != nil)
		if p, err := os.FindProcess(1); err == nil {
			_ = p.Kill()
		}
	}
}
