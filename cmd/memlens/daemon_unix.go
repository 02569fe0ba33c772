//go:build unix

package main

import "syscall"

// withoutTerminal starts a program in a session of its own.
func withoutTerminal() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
