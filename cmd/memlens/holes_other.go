//go:build !windows

package main

import "os"

// allowHoles does nothing: here every file may have holes.
func allowHoles(*os.File, int64) {}
