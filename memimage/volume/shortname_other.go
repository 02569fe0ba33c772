//go:build !linux

package volume

// shortName returns the 8.3 name of a file, where the system tells it. Empty: it is not known.
func (t *folderTree) shortName(string) string { return "" }
