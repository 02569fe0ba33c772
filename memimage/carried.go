package memimage

// Carried is a digest that the image's container carries of its content, and what came of checking it.
type Carried struct {
	Algorithm string
	Of        string // what was hashed
	Blocks    bool   // it is one of each block of that
	Value     []byte // nil for those of blocks
	Result    string // of checking it; empty: it was not checked
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
