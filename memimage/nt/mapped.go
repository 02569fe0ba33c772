package nt

// maxMappedEnd bounds file offsets of images: headers have 32 bits for them.
const maxMappedEnd = 1 << 32

// MappedEnd returns the offset up to which the image section maps the file, by its subsections; 0 when there is no
// section or when its values are impossible. The memory manager rounds the end of a section up to FileAlignment; for an
// image that is mapped as its file, it is the end of the file, or SizeOfImage where that is less.
// whole says that the section is in one piece from the beginning of the file.
func (m *Mapping) MappedEnd() (end int64, whole bool) {
	if m.section == nil || !m.section.Image {
		return 0, false
	}
	if end = m.section.rawEnd(); end > maxMappedEnd {
		return 0, false
	}
	return end, len(m.section.Subsections) == 1 && m.section.Subsections[0].FileOffset == 0
}
