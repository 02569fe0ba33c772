package fleet

import (
	"fmt"

	"memlens/cmd/memlens-fleet/internal/walk"
	"memlens/cmd/memlens-fleet/internal/worker"
	"memlens/memimage/reason"
	"memlens/memimage/remote"
	"memlens/memimage/report"
)

// result is what came of an image.
type result struct {
	task    Task
	records Records
	outcome walk.Outcome
}

// reasons are those for which a process has ended.
var reasons = map[worker.Code]reason.Code{worker.Deadline: reason.Deadline, worker.Memory: reason.OutOfMemory, worker.Crashed: reason.Crashed}

// failed is what came of an image whose process has ended.
func failed(t Task, f *worker.Failure, attempts int) result {
	p := report.OpenProblem(remote.Shown(t.Image), reason.Errorf(reasons[f.Code], "%s", failureText(f, attempts)))
	lines := newPacker()
	if err := lines.add(encode(p)); err != nil {
		panic(err) // a line is not too much
	}
	return result{t, Records{t.Number, lines.bytes()}, walk.Outcome{Records: 1, Problems: []*report.Problem{p}}}
}

func failureText(f *worker.Failure, attempts int) string {
	if f.Code == worker.Crashed {
		return fmt.Sprintf("the process that read the image crashed in each of %d attempts: %s", attempts, f.Text)
	}
	return "the process that read the image was ended: " + f.Text
}

// Account is what a run must know of each image.
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
