package fs

import (
	"memlens/memimage/reference"
)

// openReference opens a file to compare with.
func openReference(ref reference.File) (*body, error) {
	c, err := ref.Open()
	if err != nil {
		return nil, err
	}
	return &body{Content: c, strict: c.Strict, close: c.Close}, nil
}

// listedReferences are the references that a listing for the image shows.
func (m *module) listedReferences() ([]reference.File, error) {
	return m.fs.refs.Listed(reference.Module{Names: m.Names(), Path: m.Path()})
}
