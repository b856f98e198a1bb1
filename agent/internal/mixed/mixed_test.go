package mixed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/mixed.bin from testdata/mixed.json")

// frame is one of testdata/mixed.json: exactly one of the payload's forms is given.
type frame struct {
	Type   byte            `json:"type"`
	Status json.RawMessage `json:"status,omitempty"` // the payload is this JSON, compact
	Text   *string         `json:"text,omitempty"`
	Base64 *string         `json:"base64,omitempty"`
	Number *uint64         `json:"number,omitempty"`
}

func TestGoldenBytes(t *testing.T) {
	text, err := os.ReadFile("../../testdata/mixed.json")
	if err != nil {
		t.Fatal(err)
	}
	var frames []frame
	if err := json.Unmarshal(text, &frames); err != nil {
		t.Fatal(err)
	}
	var got []byte
	kinds := map[byte]bool{}
	for _, f := range frames {
		kinds[f.Type] = true
		switch {
		case f.Status != nil:
			var compact bytes.Buffer
			if err := json.Compact(&compact, f.Status); err != nil {
				t.Fatal(err)
			}
			got = AppendFrame(got, f.Type, compact.Bytes())
		case f.Number != nil:
			got = AppendNumber(got, f.Type, *f.Number)
		case f.Base64 != nil:
			payload, err := base64.StdEncoding.DecodeString(*f.Base64)
			if err != nil {
				t.Fatal(err)
			}
			got = AppendFrame(got, f.Type, payload)
		default:
			got = AppendFrame(got, f.Type, []byte(*f.Text))
		}
	}
	for _, kind := range []byte{Started, Stdout, Stderr, Ended, Time, Gap} {
		if !kinds[kind] {
			t.Errorf("no frame of type %d", kind)
		}
	}
	const golden = "../../testdata/mixed.bin"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("the framing changed: %d bytes, golden has %d", len(got), len(want))
	}
}
