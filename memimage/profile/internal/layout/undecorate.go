package layout

import "strings"

// Undecorated is the name that the source text of a kernel has for a symbol, if the symbol is a variable outside of all
// functions and classes: C++ compilers call SmGlobals "?SmGlobals@@3U_SM_GLOBALS@@A". Other names are given back as they
// are.
func Undecorated(symbol string) string {
	rest, ok := strings.CutPrefix(symbol, "?")
	name, _, variable := strings.Cut(rest, "@@3")
	if !ok || !variable || name == "" || strings.ContainsAny(name, "?@$") {
		return symbol
	}
	return name
}
