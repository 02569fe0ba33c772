package fs

import (
	"memlens/memimage/reference"
)

// isGiven reports whether a reference was given by itself or in a folder, and not found by the path of a module.
func isGiven(ref reference.File) bool { return ref.Match == reference.Given }

// openReference opens a file to compare with.
func openReference(ref reference.File) (*body, error) {
	c, err := ref.Open()
	if err != nil {
		return nil, err
	}
	return &body{Content: c, strict: c.Strict, close: c.Close}, nil
}

// asked is the image as references are looked for.
func (m *module) asked() reference.Module {
	out := reference.Module{Names: m.Names(), Path: m.Path(), Root: m.fs.image.Kernel.Root, Device: m.fs.image.SystemDevice()}
	out.Claimed, out.Redirected = m.ClaimedPath()
	if m.Owner != nil {
		out.Program = m.Owner.ExecutablePath()
	}
	return out
}

// listedReferences are the references that a listing for the image shows.
func (m *module) listedReferences() ([]reference.File, error) { return m.fs.refs.Listed(m.asked()) }
