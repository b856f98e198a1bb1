package hostrules

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
)

// Of linux/netfilter/nfnetlink.h and nf_tables.h.
const (
	netlinkNetfilter = 12
	subsystem        = 10
	batchBegin       = 0x10
	batchEnd         = 0x11

	msgNewTable = subsystem << 8
	msgGetTable = subsystem<<8 | 1
	msgDelTable = subsystem<<8 | 2
	msgNewChain = subsystem<<8 | 3
	msgNewRule  = subsystem<<8 | 6

	familyInet = 1
	nested     = 0x8000

	answerSeconds = 5
	mostAnswers   = 4096
)

// message is one netlink message; attributes follow its header.
type message struct {
	kind  uint16
	flags uint16
	body  []byte
}

// attribute is one netlink attribute, padded.
func attribute(kind uint16, value []byte) []byte {
	out := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = append(out, value...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

func text(kind uint16, value string) []byte { return attribute(kind, append([]byte(value), 0)) }

func number(kind uint16, value uint32) []byte {
	return attribute(kind, binary.BigEndian.AppendUint32(nil, value))
}

func nest(kind uint16, parts ...[]byte) []byte { return attribute(kind|nested, join(parts...)) }

func join(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = append(out, part...)
	}
	return out
}

// socket is one conversation with the kernel's nf_tables, in the network namespace of this process.
type socket struct {
	fd  int
	seq uint32
}

func open() (*socket, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkNetfilter)
	if err != nil {
		return nil, fmt.Errorf("the kernel has no netfilter: %w", err)
	}
	limit := syscall.Timeval{Sec: answerSeconds}
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return &socket{fd: fd}, nil
}

func (s *socket) close() { syscall.Close(s.fd) }

func (s *socket) encode(out []byte, m message, family uint8, resource uint16) []byte {
	s.seq++
	out = binary.NativeEndian.AppendUint32(out, uint32(16+4+len(m.body)))
	out = binary.NativeEndian.AppendUint16(out, m.kind)
	out = binary.NativeEndian.AppendUint16(out, syscall.NLM_F_REQUEST|m.flags)
	out = binary.NativeEndian.AppendUint32(out, s.seq)
	out = binary.NativeEndian.AppendUint32(out, 0)
	out = append(out, family, 0)
	out = binary.BigEndian.AppendUint16(out, resource)
	return append(out, m.body...)
}

// commit makes all changes or none.
func (s *socket) commit(changes []message) error {
	out := s.encode(nil, message{kind: batchBegin}, 0, subsystem)
	first := s.seq + 1
	for _, m := range changes {
		m.flags |= syscall.NLM_F_ACK
		out = s.encode(out, m, familyInet, 0)
	}
	last := s.seq
	out = s.encode(out, message{kind: batchEnd}, 0, subsystem)
	if err := syscall.Sendto(s.fd, out, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	for done := first; done <= last; {
		answers, err := s.receive()
		if err != nil {
			return err
		}
		for _, answer := range answers {
			if answer.Header.Type != syscall.NLMSG_ERROR || len(answer.Data) < 4 {
				continue
			}
			if errno := -int32(binary.NativeEndian.Uint32(answer.Data)); errno != 0 {
				return fmt.Errorf("the kernel refused change %d of %d: %w", answer.Header.Seq-first+1, last-first+1, syscall.Errno(errno))
			}
			done++
		}
	}
	return nil
}

// tables lists the names of all tables of the family inet.
func (s *socket) tables() ([]string, error) {
	out := s.encode(nil, message{kind: msgGetTable, flags: syscall.NLM_F_DUMP}, familyInet, 0)
	if err := syscall.Sendto(s.fd, out, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return nil, err
	}
	var names []string
	for range mostAnswers {
		answers, err := s.receive()
		if err != nil {
			return nil, err
		}
		for _, answer := range answers {
			switch answer.Header.Type {
			case syscall.NLMSG_DONE:
				return names, nil
			case syscall.NLMSG_ERROR:
				if len(answer.Data) >= 4 {
					return nil, fmt.Errorf("the kernel does not list its tables: %w", syscall.Errno(-int32(binary.NativeEndian.Uint32(answer.Data))))
				}
			case msgNewTable:
				if name := tableName(answer.Data); name != "" {
					names = append(names, name)
				}
			}
		}
	}
	return nil, errors.New("the kernel's list of tables does not end")
}

func (s *socket) receive() ([]syscall.NetlinkMessage, error) {
	buffer := make([]byte, 64*1024)
	n, _, err := syscall.Recvfrom(s.fd, buffer, 0)
	if err != nil {
		return nil, fmt.Errorf("the kernel did not answer: %w", err)
	}
	return syscall.ParseNetlinkMessage(buffer[:n])
}

// tableName finds the name (attribute 1) behind the four bytes of the header.
func tableName(data []byte) string {
	for rest := data[min(4, len(data)):]; len(rest) >= 4; {
		size := int(binary.NativeEndian.Uint16(rest))
		kind := binary.NativeEndian.Uint16(rest[2:]) &^ nested
		if size < 4 || size > len(rest) {
			return ""
		}
		if kind == 1 && size > 5 {
			return string(rest[4 : size-1])
		}
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	return ""
}
