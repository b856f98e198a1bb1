package jupyter

import (
	"encoding/json"
	"errors"
	"time"

	"k2sandbox.dev/agent/internal/drivers"
)

const (
	// idleWithin is how long the last broadcasts of a run may come after its reply.
	idleWithin   = 10 * time.Second
	hiddenWithin = 10 * time.Second
	// leaveTries: an interrupt of the run that comes late may end the first.
	leaveTries = 3
)

var errHidden = errors.New("the kernel did not set or put back cwd and envs of a run in time")

// execution is one piece of code in the kernel, as it goes.
type execution struct {
	drivers.Request
	hidden        bool   // ours: nothing of it is told, and no interrupt is for it
	id            string // of the message
	idle, replied bool
	failed, wrong bool
	answer        executeReply
	interrupts    interrupter
}

type executeReply struct {
	Status string `json:"status"`
	Name   string `json:"ename"`
	Value  string `json:"evalue"`
}

// run executes code to its end. It fails when this driver is to end.
func (d *driver) run(r drivers.Request) error {
	drainSignals(d.interrupts)
	if err := d.events.started(r.ID); err != nil {
		return err
	}
	e := &execution{Request: r}
	over, err := d.inPlace(e)
	if over || err != nil {
		return err
	}
	code := 0
	if e.failed {
		code = 1
	}
	return d.events.write(endEvent{"end", r.ID, code})
}

// inPlace runs the code where it is to run, and puts the kernel's place back after it, however it ended. over: the agent has gone.
func (d *driver) inPlace(e *execution) (over bool, err error) {
	if !wantsPlace(e.Request) {
		return d.cell(e)
	}
	p, ok := placeFor(d.kernel.spec.Language, e.Request)
	if !ok {
		return false, d.refuse(e, "NotSupported",
			"cwd and envs of a single run are not possible in a kernel for "+d.kernel.spec.Language+"; make a context with them")
	}
	enter, over, err := d.hidden(p.enter)
	if over || err != nil {
		return over, err
	}
	if enter.interrupts.asked {
		e.interrupts.ask()
	}
	if enter.wrong {
		err = d.refuse(e, enter.answer.Name, enter.answer.Value)
	} else {
		over, err = d.cell(e)
	}
	if over || err != nil {
		return over, err
	}
	return d.leave(e, p)
}

// cell runs the user's code.
func (d *driver) cell(e *execution) (over bool, err error) {
	if over, err := d.execute(e); over || err != nil {
		return over, err
	}
	if e.wrong && !e.failed {
		return false, d.silentError(e)
	}
	return false, nil
}

func (d *driver) leave(e *execution, p place) (over bool, err error) {
	var last *execution
	for range leaveTries {
		last, over, err = d.hidden(p.leave)
		if over || err != nil || !last.wrong {
			return over, err
		}
	}
	if e.failed { // and has told why
		return false, nil
	}
	return false, d.refuse(e, "NotPutBack", "cwd and envs of the run stay: "+last.answer.Name+": "+last.answer.Value)
}

func (d *driver) hidden(code string) (e *execution, over bool, err error) {
	e = &execution{Request: drivers.Request{Code: code}, hidden: true}
	over, err = d.execute(e)
	return e, over, err
}

// execute sends the code, and follows it to its end. over: the agent has gone, and the kernel with it.
func (d *driver) execute(e *execution) (over bool, err error) {
	var parts [][]byte
	e.id, parts = d.kernel.session.request("execute_request", map[string]any{
		"code": e.Code, "silent": e.hidden, "store_history": !e.hidden, "user_expressions": struct{}{}, "allow_stdin": false, "stop_on_error": false,
	})
	if err := d.kernel.shell.send(parts); err != nil {
		<-d.kernel.ended
		return false, d.endAs(d.kernel.state)
	}
	return d.follow(e)
}

func (d *driver) follow(e *execution) (over bool, err error) {
	var late, overdue <-chan time.Time
	if e.hidden {
		overdue = time.After(d.hiddenWithin)
	}
	for !e.idle || !e.replied {
		select {
		case m := <-d.kernel.published:
			if err := d.publish(e, m); err != nil {
				return false, err
			}
		case m := <-d.kernel.replies:
			if m.parent == e.id && m.Type == "execute_reply" {
				e.reply(m.content)
				late = time.After(idleWithin)
			}
		case <-d.interrupts:
			e.interrupts.ask()
		case <-e.interrupts.due:
			e.interrupts.sent()
			if !e.replied {
				d.kernel.interrupt()
			}
		case <-late:
			e.idle = true
		case <-overdue:
			return false, errHidden
		case <-d.gone:
			d.kernel.shutdown(endWithin)
			return true, nil
		case <-d.kernel.ended:
			d.drain(e)
			return false, d.endAs(d.kernel.state)
		}
	}
	return false, nil
}

func (e *execution) reply(content json.RawMessage) {
	_ = json.Unmarshal(content, &e.answer) // without a status it is not ok
	e.replied = true
	e.wrong = e.answer.Status != "ok"
}

// silentError is for a kernel that says that something was wrong, and not what: it does so after an interrupt, too.
func (d *driver) silentError(e *execution) error {
	if e.interrupts.asked {
		return d.refuse(e, "KeyboardInterrupt", "")
	}
	return d.refuse(e, "ExecutionAborted", "the kernel did not run it")
}

// refuse tells why the run failed, where the kernel does not.
func (d *driver) refuse(e *execution, name, value string) error {
	e.failed = true
	return d.events.write(errorEvent{"error", e.ID, name, value, nil})
}
