package fs

import (
	"memlens/memimage/reference"
	"memlens/memimage/sparse"
)

// isGiven reports whether a reference was given by itself or in a folder, and not found by the path of a module.
func isGiven(ref reference.File) bool { return ref.Match == reference.Given }

// openReference opens a file to compare with.
func openReference(ref reference.File) (*body, error) {
	c, err := ref.Open()
	if err != nil {
		return nil, err
	}
	faults := new(sparse.Faults)
	return &body{Content: countedReads{c, faults}, strict: c.Strict, close: c.Close, faults: faults}, nil
}

// countedReads is a file that counts its failed reads. A caller that reads a part of it to see which bytes are there
// must know when it saw nothing because a read failed.
type countedReads struct {
	Content
	faults *sparse.Faults
}

// ReadAt implements [Content].
func (c countedReads) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Content.ReadAt(p, off)
	return n, c.faults.Check(err, off)
}

// Zeros implements [sparse.Zeroer] as far as the file does.
func (c countedReads) Zeros(off int64) int64 { return sparse.Zeros(c.Content, off) }

// asked is the image in the form that looking for references needs.
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
