package hostrules

import (
	"encoding/binary"
	"net/netip"
	"syscall"
)

// never is what no sandbox reaches, whatever host it is on: what is not the public internet (RFC 6890), and the
// address at which one cloud's hosts answer their guests though it looks public.
var never = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

const (
	hookInput   = 1
	hookForward = 2
	// Before the filter chains of others (0): what we drop, nobody can let pass again.
	priority = -10

	nfDrop   = 0
	nfAccept = 1
	nftJump  = 0xfffffffd

	metaInName  = 6
	metaOutName = 7
	metaFamily  = 15
	metaProto   = 16

	baseNetwork   = 1
	baseTransport = 2

	ctKnown = 2 | 4 // established, related

	rejectAny       = 2 // ICMP or ICMPv6, as it comes
	adminProhibited = 3
)

// ruleset is every change that gives the table, and nothing else of ours, its rules.
//
//	forward  from the bridge: chain "out"; to it: answers only
//	input    from the bridge: answers only, so no listener of the host is reached at any of its addresses
//	out      answers; the resolvers, at port 53; else neither IPv6, nor the bridge itself, nor a denied prefix
func ruleset(table, bridge string, denied []netip.Prefix, resolvers []netip.Addr) []message {
	t := text(1, table)
	var rules []message
	rule := func(chain string, expressions ...[]byte) {
		body := join(t, text(2, chain), nest(4, expressions...))
		rules = append(rules, message{kind: msgNewRule, flags: syscall.NLM_F_CREATE | syscall.NLM_F_APPEND, body: body})
	}
	from, to := name(metaInName, bridge), name(metaOutName, bridge)

	rule("forward", from, verdict(nftJump, "out"))
	rule("forward", to, known(), verdict(nfAccept, ""))
	rule("forward", to, verdict(nfDrop, ""))
	rule("input", from, known(), verdict(nfAccept, ""))
	rule("input", from, reject())
	rule("out", known(), verdict(nfAccept, ""))
	rule("out", equal(meta(metaFamily), []byte{syscall.AF_INET6}), reject())
	rule("out", to, verdict(nfDrop, ""))
	for _, resolver := range resolvers {
		for _, protocol := range []byte{syscall.IPPROTO_UDP, syscall.IPPROTO_TCP} {
			rule("out", destination(netip.PrefixFrom(resolver, 32)), equal(meta(metaProto), []byte{protocol}),
				equal(payload(baseTransport, 2, 2), []byte{0, 53}), verdict(nfAccept, ""))
		}
	}
	for _, prefix := range denied {
		rule("out", destination(prefix), reject())
	}

	create := uint16(syscall.NLM_F_CREATE)
	changes := []message{
		{kind: msgNewTable, flags: create, body: t}, // so that there is one to delete
		{kind: msgDelTable, body: t},
		{kind: msgNewTable, flags: create, body: t},
		{kind: msgNewChain, flags: create, body: join(t, text(3, "out"))},
		{kind: msgNewChain, flags: create, body: join(t, text(3, "forward"), hook(hookForward), text(7, "filter"))},
		{kind: msgNewChain, flags: create, body: join(t, text(3, "input"), hook(hookInput), text(7, "filter"))},
	}
	return append(changes, rules...)
}

func removal(table string) []message {
	return []message{{kind: msgDelTable, body: text(1, table)}}
}

func hook(where uint32) []byte {
	at := int32(priority)
	return nest(4, number(1, where), number(2, uint32(at)))
}

func expression(kind string, data ...[]byte) []byte {
	return nest(1, text(1, kind), nest(2, data...))
}

func meta(key uint32) []byte { return expression("meta", number(1, 1), number(2, key)) }

func payload(base, offset, size uint32) []byte {
	return expression("payload", number(1, 1), number(2, base), number(3, offset), number(4, size))
}

func compare(operation uint32, value []byte) []byte {
	return expression("cmp", number(1, 1), number(2, operation), nest(3, attribute(1, value)))
}

func mask(bits []byte) []byte {
	none := make([]byte, len(bits))
	return expression("bitwise", number(1, 1), number(2, 1), number(3, uint32(len(bits))),
		nest(4, attribute(1, bits)), nest(5, attribute(1, none)))
}

// equal loads something and goes on with the rule where it has the value.
func equal(load, value []byte) []byte { return join(load, compare(0, value)) }

func name(key uint32, interfaceName string) []byte {
	padded := make([]byte, 16)
	copy(padded, interfaceName)
	return equal(meta(key), padded)
}

// known: packets of connections that were let through at their begin.
func known() []byte {
	bits := binary.NativeEndian.AppendUint32(nil, ctKnown)
	return join(expression("ct", number(1, 1), number(2, 0)), mask(bits), compare(1, make([]byte, 4)))
}

func destination(prefix netip.Prefix) []byte {
	address := prefix.Masked().Addr().As4()
	bits := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-prefix.Bits()))
	return join(equal(meta(metaFamily), []byte{syscall.AF_INET}), payload(baseNetwork, 16, 4), mask(bits), compare(0, address[:]))
}

func verdict(code uint32, chain string) []byte {
	parts := number(1, code)
	if chain != "" {
		parts = join(parts, text(2, chain))
	}
	return expression("immediate", number(1, 0), nest(2, nest(2, parts)))
}

// reject drops, and says so: the program inside fails at once and not after its own timeout.
func reject() []byte {
	return expression("reject", number(1, rejectAny), attribute(2, []byte{adminProhibited}))
}
