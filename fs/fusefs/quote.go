package fusefs

import "strings"

// ShellQuote returns s as a single word of a POSIX shell, for messages that offer a command.
func ShellQuote(s string) string {
	plain := func(r rune) bool {
		return r > 0x7f || strings.ContainsRune("/._-+:@%,=", r) ||
			'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
