//go:build !linux

package volume

// shortName returns the 8.3 name of a file, if the system provides it. Empty: not known.
func (t *folderTree) shortName(string) string { return "" }
