package worker

// Code says why a process gave no answer.
type Code string

const (
	// Deadline: it has taken too long.
	Deadline Code = "deadline"
	// Memory: it needs more memory than it may have.
	Memory Code = "memory"
	// Crashed: it has ended by itself, or by somebody else.
	Crashed Code = "crashed"

	ended Code = "" // the one who asked does not wait any more
)

// Failure is the error of a request whose process has ended or had to be ended.
type Failure struct {
	Code Code
	Text string
	Said string // what the process has written to standard error; differs from run to run
}

func (f *Failure) Error() string {
	s := "worker: " + string(f.Code) + ": " + f.Text
	if f.Said != "" {
		s += "\n" + f.Said
	}
	return s
}
