package similarity

// Digests makes all similarity digests of a file in one pass, except digests for which the file is too small or too
// large. The file's data must be given to its takers, which may work at the same time.
type Digests struct {
	size   int64
	ssdeep *ssdeepState
	tlsh   *tlshState
	sdhash *sdhasher
}

// NewDigests begins the digests of a file of size bytes. The name becomes part of sdhash's digest.
func NewDigests(name string, size int64) *Digests {
	d := &Digests{size: size}
	if canSsdeep(size) {
		d.ssdeep = newSsdeep(size)
	}
	if canTLSH(size) {
		d.tlsh = new(tlshState)
	}
	if canSdhash(size) {
		d.sdhash = newSdhasher(name, size)
	}
	return d
}

// Takers returns the takers that must get the data. The slow ones together take about as long as the others.
func (d *Digests) Takers() (slow, others []Taker) {
	if d.sdhash != nil {
		slow = append(slow, d.sdhash)
	}
	if d.tlsh != nil {
		others = append(others, d.tlsh)
	}
	if d.ssdeep != nil {
		others = append(others, d.ssdeep)
	}
	return slow, others
}

// Ssdeep returns the digest of [Ssdeep] of the taken data; empty: there is none.
func (d *Digests) Ssdeep() string {
	if d.ssdeep == nil {
		return ""
	}
	return d.ssdeep.digest()
}

// TLSH returns the digest of [TLSH] of the taken data; empty: there is none.
func (d *Digests) TLSH() string {
	if d.tlsh == nil {
		return ""
	}
	digest, ok := d.tlsh.digest(d.size)
	if !ok {
		return ""
	}
	return digest.String()
}

// Sdhash returns the digest of [Sdhash] of the taken data; nil: there is none. It must be called once.
func (d *Digests) Sdhash() *SDBF {
	if d.sdhash == nil {
		return nil
	}
	return d.sdhash.finish()
}
