package worker

// Code says why a process gave no answer.
type Code string

const (
	// Deadline: the process took too long.
	Deadline Code = "deadline"
	// Memory: the process needs more memory than it may have.
	Memory Code = "memory"
	// Crashed: the process ended by itself, or somebody else ended it.
	Crashed Code = "crashed"

	ended Code = "" // the caller does not wait any more
)

// Failure is the error of a request whose process has ended or had to be ended.
type Failure struct {
	Code Code
	Text string
	Said string // the process's standard error; it differs from run to run
}

func (f *Failure) Error() string {
	s := "worker: " + string(f.Code) + ": " + f.Text
	if f.Said != "" {
		s += "\n" + f.Said
	}
	return s
}
