package jupyter

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// header of a message (Jupyter messaging protocol 5.3).
type header struct {
	ID       string `json:"msg_id"`
	Session  string `json:"session"`
	Username string `json:"username"`
	Date     string `json:"date"`
	Type     string `json:"msg_type"`
	Version  string `json:"version"`
}

// message is what a kernel said: its type, which request it belongs to, and its content.
type message struct {
	Type    string
	parent  string
	content json.RawMessage
}

var delimiter = []byte("<IDS|MSG>")

var (
	errUnsigned  = errors.New("a message has a wrong signature")
	errMalformed = errors.New("a message is malformed")
)

// session signs what we send, and checks what comes.
type session struct {
	key []byte
	id  string
}

func newSession() *session { return &session{key: []byte(randomHex(32)), id: randomHex(16)} }

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// request makes a message and the id that its answers will name.
func (s *session) request(kind string, content any) (id string, parts [][]byte) {
	id = randomHex(16)
	head, _ := json.Marshal(header{id, s.id, "k2", time.Now().UTC().Format(time.RFC3339Nano), kind, "5.3"})
	body, _ := json.Marshal(content) // plain data always encodes
	signed := [][]byte{head, []byte("{}"), []byte("{}"), body}
	return id, append([][]byte{delimiter, s.sign(signed)}, signed...)
}

// open reads a message: routing parts, delimiter, signature, header, parent's header, metadata, content, buffers.
func (s *session) open(parts [][]byte) (*message, error) {
	for i, part := range parts {
		if !bytes.Equal(part, delimiter) {
			continue
		}
		rest := parts[i+1:]
		if len(rest) < 5 {
			return nil, errMalformed
		}
		if !hmac.Equal(s.sign(rest[1:5]), rest[0]) {
			return nil, errUnsigned
		}
		var head, parent struct {
			Type string `json:"msg_type"`
			ID   string `json:"msg_id"`
		}
		if json.Unmarshal(rest[1], &head) != nil || json.Unmarshal(rest[2], &parent) != nil {
			return nil, errMalformed
		}
		return &message{head.Type, parent.ID, rest[4]}, nil
	}
	return nil, errMalformed
}

func (s *session) sign(parts [][]byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, part := range parts {
		mac.Write(part)
	}
	return []byte(hex.EncodeToString(mac.Sum(nil)))
}
