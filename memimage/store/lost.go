package store

import "fmt"

// Why is the reason why the store does not have a page.
type Why uint8

const (
	NoKey        Why = iota // the global tree has no entry for it
	Invalid                 // its entry in the global tree is marked invalid
	NoStore                 // the entry leads to no store
	NoRecord                // the store's own tree has no entry for it
	LostRecord              // something on the way to its record cannot be read, or its record is not valid
	NoRegion                // the region with its data is gone
	DataOut                 // its data is not in memory
	Damaged                 // its data does not unpack to a page
	OtherFormat             // the store's data is of a format that is not known
	UnknownStore            // the store of this build is not known
)

func (w Why) String() string {
	return [...]string{
		"no entry in the global tree", "its entry in the global tree is invalid", "its store is gone",
		"no entry in the store's tree", "its record cannot be read", "the region with its data is gone",
		"its data is not in memory", "its data is damaged", "its data is in a format that is not known",
		"the store of this build is not known",
	}[w]
}

// LostError says that the page with a key cannot be read from the store, and why. It is a [sparse.Gap].
type LostError struct {
	Why Why
	Err error // more about the reason; may be nil
}

// Gap returns the size of a page.
func (e *LostError) Gap() int64 { return pageSize }

func (e *LostError) Error() string {
	if e.Err == nil {
		return e.Why.String()
	}
	return fmt.Sprintf("%s: %v", e.Why, e.Err)
}

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }
