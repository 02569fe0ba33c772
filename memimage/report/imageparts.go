package report

import (
	"encoding/hex"

	"memlens/memimage"
)

// PageFile is a page file that the kernel uses, or that was given.
type PageFile struct {
	Number int    `json:"number"`
	Name   string `json:"name,omitempty"`
	Kind   string `json:"kind"`
	Given  string `json:"given,omitempty"` // the source it is read from
}

// PageFilesOf lists the kernel's page files, where they are known, and the given page files.
func PageFilesOf(im *memimage.Image) []PageFile {
	files, _ := im.Kernel.PagingFiles()
	given := im.GivenPageFiles()
	out := make([]PageFile, max(len(files), len(given)))
	for i := range out {
		out[i] = PageFile{Number: i, Kind: "not known"}
		if i < len(files) {
			out[i].Name, out[i].Kind = files[i].Name, files[i].Kind()
		}
		if i < len(given) {
			out[i].Given = given[i]
		}
	}
	return out
}

// Store is the compressed store.
type Store struct {
	PageFile *int   `json:"page_file"` // that stands for it; null: not known
	Read     bool   `json:"read"`
	How      string `json:"how"` // it was found, or why it is not read
	Layout   string `json:"layout,omitempty"`
}

// StoreOf describes the compressed store; nil where no store is known.
func StoreOf(im *memimage.Image) *Store {
	c := im.Kernel.CompressedStore()
	if c == nil {
		return nil
	}
	s := &Store{Read: c.Err == nil, How: c.String()}
	if c.Number >= 0 {
		s.PageFile = &c.Number
	}
	switch {
	case c.Err != nil:
	case c.Assumed:
		s.Layout = "assumed"
	default:
		s.Layout = "exact"
	}
	return s
}

// ContainerDigest is a digest that the container carries of its content.
type ContainerDigest struct {
	Algorithm string
	Of        string // the content that was hashed
	Blocks    bool   // there is a digest of each block of the content
	Value     string // in hex; none for digests of blocks
	Result    string // of the check; empty: the digest was not checked
}

// ContainerDigestsOf lists the digests that the container carries, with the results of the check. checked says that a
// check was requested.
func ContainerDigestsOf(im *memimage.Image) (out []ContainerDigest, checked bool) {
	for _, c := range im.Carried() {
		out = append(out, ContainerDigest{c.Algorithm, c.Of, c.Blocks, hex.EncodeToString(c.Value), c.Result})
	}
	return out, im.Verified != nil
}
