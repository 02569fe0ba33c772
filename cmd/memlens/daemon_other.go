//go:build !unix

package main

import "syscall"

// withoutTerminal starts a program as any other.
func withoutTerminal() *syscall.SysProcAttr { return nil }
