package memimage

// Carried is a digest of the content that the image's container carries, and the result of its check.
type Carried struct {
	Algorithm string
	Of        string // the content that was hashed
	Blocks    bool   // there is a digest of each block of the content
	Value     []byte // nil where Blocks is set
	Result    string // of the check; empty: the digest was not checked
}

// Carried returns the digests that the container carries.
func (im *Image) Carried() []Carried {
	var out []Carried
	for _, d := range im.Container.Digests {
		out = append(out, Carried{Algorithm: d.Algorithm, Of: d.Of, Value: d.Value})
	}
	for _, d := range im.Container.BlockDigests {
		out = append(out, Carried{Algorithm: d.Algorithm, Of: d.Of, Blocks: true})
	}
	for i, v := range im.Verified { // in the same order
		out[i].Result = v.Result()
	}
	return out
}
