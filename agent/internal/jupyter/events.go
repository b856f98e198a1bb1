package jupyter

import (
	"encoding/json"
	"os"
	"sync"
)

// events are the agent's descriptor 4 (drivers/README.md).
type events struct {
	mu   sync.Mutex
	file *os.File
}

type displayEvent struct {
	Type      string   `json:"type"`
	ID        string   `json:"id"`
	Data      bundle   `json:"data"`
	Main      bool     `json:"main"`
	DisplayID *string  `json:"display_id"`
	Update    bool     `json:"update"`
	Truncated []string `json:"truncated"`
	Ack       bool     `json:"ack"`
}

type errorEvent struct {
	Type      string   `json:"type"`
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Value     string   `json:"value"`
	Traceback []string `json:"traceback"`
}

type endEvent struct {
	Type     string `json:"type"`
	ID       string `json:"id"`
	ExitCode int    `json:"exit_code"`
}

func (e *events) ready(version string, pid int) error {
	return e.write(map[string]any{"type": "ready", "version": version, "pid": pid})
}

func (e *events) started(id string) error {
	return e.write(map[string]string{"type": "started", "id": id})
}

// write fails when the agent does not listen any more: then there is nothing left to do.
func (e *events) write(event any) error {
	line, err := json.Marshal(event)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err = e.file.Write(append(line, '\n'))
	return err
}
