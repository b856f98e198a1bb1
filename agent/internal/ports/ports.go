package ports

import (
	"context"
	"net/netip"
	"time"
)

// Port is one that something listens on. PID and Process are absent where the agent may not know them.
type Port struct {
	Port    uint16 `json:"port"`
	Address string `json:"address"`
	Family  string `json:"family"`
	UID     uint32 `json:"uid"`
	PID     int    `json:"pid,omitempty"`
	Process string `json:"process,omitempty"`
}

// List finds all, sorted by port and address; one for several sockets that share both.
func List() ([]Port, error) {
	all, err := listening()
	if err != nil {
		return nil, err
	}
	inodes := make(map[uint64]bool, len(all))
	for _, s := range all {
		inodes[s.inode] = true
	}
	pids := owners(inodes)
	list := make([]Port, 0, len(all))
	for i, s := range all {
		pid := pids[s.inode]
		if i > 0 && all[i-1].address == s.address {
			if last := &list[len(list)-1]; last.PID == 0 && pid != 0 {
				last.UID, last.PID, last.Process = s.uid, pid, nameOf(pid)
			}
			continue
		}
		port := Port{Port: s.address.Port(), Address: s.address.Addr().String(), Family: "ipv6", UID: s.uid, PID: pid}
		if s.address.Addr().Is4() {
			port.Family = "ipv4"
		}
		if pid != 0 {
			port.Process = nameOf(pid)
		}
		list = append(list, port)
	}
	return list, nil
}

// Addresses are those on which something listens on the port, the unspecified ones among them.
func Addresses(port uint16) ([]netip.Addr, error) {
	all, err := listening()
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, s := range all {
		if s.address.Port() == port {
			found = append(found, s.address.Addr())
		}
	}
	return found, nil
}

// The kernel tells nobody who begins to listen, so Wait looks.
const (
	firstLook   = 20 * time.Millisecond
	longestLook = 100 * time.Millisecond
)

// Wait returns true as soon as something listens on the port, false when the time is over.
func Wait(ctx context.Context, port uint16, timeout time.Duration) (bool, error) {
	end := time.Now().Add(timeout)
	for pause := firstLook; ; pause = min(2*pause, longestLook) {
		found, err := Addresses(port)
		if err != nil || len(found) > 0 {
			return len(found) > 0, err
		}
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(min(pause, left)):
		}
	}
}
