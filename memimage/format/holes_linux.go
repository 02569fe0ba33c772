package format

import "memlens/memimage/sparse"

// Zeros implements sparse.Zeroer: the holes of the file, which read as zeros, as the file system knows them.
func (s *fileSource) Zeros(off int64) int64 { return sparse.FileZeros(s.file, off, s.size) }
