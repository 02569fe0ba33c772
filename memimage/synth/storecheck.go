package synth

import (
	"errors"
	"fmt"
)

// Defaults of a Store.
const (
	storeNumber = 2 // of the virtual store: 0 is pagefile.sys, 1 swapfile.sys
	storePID    = 2880
	storeLevels = 3 // of the global tree
)

// checkStore refuses descriptions that no store can have.
func (b *builder) checkStore() error {
	s := b.Store
	_, known := storeLayoutOf(b.l.build, b.x64())
	switch number := orDefaultInt(s.Number, storeNumber); {
	case !known:
		return fmt.Errorf("synth: build %d: the structures of its compression store are not known", b.l.build)
	case b.Paging == X86:
		return errors.New("synth: with x86 paging there is no compression store")
	case number < 1 || number > 15:
		return fmt.Errorf("synth: virtual store is page file number %d: it must be 1 to 15", number)
	case number == b.PageFile:
		return fmt.Errorf("synth: page file number %d is both the page file and the virtual store", number)
	case s.OutFile != 0 && (s.OutFile == number || s.OutFile == b.PageFile || s.OutFile > 15):
		return fmt.Errorf("synth: page file number %d cannot be the one that is not given", s.OutFile)
	case s.Levels < 0 || s.Levels > 3:
		return fmt.Errorf("synth: a tree of %d levels: it must have 1 to 3", s.Levels)
	}
	seen := make(map[int]bool)
	for _, m := range s.stores() {
		if err := m.check(); err != nil {
			return err
		}
		if seen[m.Index] {
			return fmt.Errorf("synth: two stores have the index %d", m.Index)
		}
		seen[m.Index] = true
	}
	return nil
}

func (s *Store) stores() []SMKM {
	if s.Stores == nil {
		return DefaultStores()
	}
	return s.Stores
}

// check refuses a geometry that does not fit into a page or a key.
func (m *SMKM) check() error {
	switch {
	case m.Index < 0 || m.Index > 1022:
		return fmt.Errorf("synth: store %d: its index must be below 1023", m.Index)
	case m.Levels < 1 || m.Levels > 3:
		return fmt.Errorf("synth: store %d: a tree of %d levels: it must have 1 to 3", m.Index, m.Levels)
	case m.Records < 1 || m.Records&(m.Records-1) != 0:
		return fmt.Errorf("synth: store %d: %d records to a chunk: it must be a power of two", m.Index, m.Records)
	case m.RecordSize < 8 || m.Header < 0 || m.Header+m.Records*m.RecordSize > pageSize:
		return fmt.Errorf("synth: store %d: %d records of %d bytes behind a header of %d do not fit into a page", m.Index, m.Records, m.RecordSize, m.Header)
	case m.RegionBits < 12 || m.RegionBits > 16:
		return fmt.Errorf("synth: store %d: regions of 1<<(%d+4) bytes: it must be 12 to 16", m.Index, m.RegionBits)
	}
	return nil
}
