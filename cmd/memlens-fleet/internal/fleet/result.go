package fleet

import (
	"fmt"

	"memlens/cmd/memlens-fleet/internal/walk"
	"memlens/cmd/memlens-fleet/internal/worker"
	"memlens/memimage/reason"
	"memlens/memimage/remote"
	"memlens/memimage/report"
)

// result is the result for an image.
type result struct {
	task    Task
	records Records
	outcome walk.Outcome
}

// reasons are the reasons why a process has ended.
var reasons = map[worker.Code]reason.Code{worker.Deadline: reason.Deadline, worker.Memory: reason.OutOfMemory, worker.Crashed: reason.Crashed}

// failed returns the result for an image whose process has ended.
func failed(t Task, f *worker.Failure, attempts int) result {
	p := report.OpenProblem(remote.Shown(t.Image), reason.Errorf(reasons[f.Code], "%s", failureText(f, attempts)))
	lines := newPacker()
	if err := lines.add(encode(p)); err != nil {
		panic(err) // one line is not too long
	}
	return result{t, Records{t.Number, lines.bytes()}, walk.Outcome{Records: 1, Problems: []*report.Problem{p}}}
}

func failureText(f *worker.Failure, attempts int) string {
	if f.Code == worker.Crashed {
		return fmt.Sprintf("the process that read the image crashed in each of %d attempts: %s", attempts, f.Text)
	}
	return "the process that read the image was ended: " + f.Text
}

// Account holds the facts about an image for the account of the run.
type Account struct {
	Image    string // as it is shown
	Opened   bool
	Records  int64
	Problems []string // records of JSON
}

func (r *result) account() Account {
	a := Account{Image: remote.Shown(r.task.Image), Opened: r.outcome.Opened, Records: r.outcome.Records}
	for _, p := range r.outcome.Problems {
		a.Problems = append(a.Problems, string(encode(p)))
	}
	return a
}
