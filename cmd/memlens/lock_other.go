//go:build !unix && !windows

package main

import (
	"errors"
	"os"
)

// tryLock fails: it does not know the locks of this system.
func tryLock(*os.File) error { return errors.ErrUnsupported }
