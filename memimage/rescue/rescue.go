// Package rescue turns a panic into an error. An image is hostile input. If it triggers a mistake of the program,
// only one file cannot be made, and the others are still served. A panic in a goroutine of its own would end the
// program.
package rescue

import (
	"fmt"
	"runtime/debug"
)

// PanicError says that the program panicked.
type PanicError struct {
	Value any
	trace []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("a mistake in memlens was met, please report it: %v", e.Value)
}

// Stack returns the stack of the goroutine that panicked, for the log.
func (e *PanicError) Stack() []byte { return e.trace }

// Call calls f and returns its error, or a *[PanicError] when it panics.
func Call(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	return f()
}
