package fs

import "slices"

// Folder is a kind of directory of the tree, with the files and directories that it may hold.
type Folder struct {
	Where   string // in words, as in "In each process's directory"
	Entries []Entry
}

// Entry is a file or a directory: the name of a directory ends in a slash.
type Entry struct{ Name, Doc string }

// Contents describes the whole tree from its tables, whatever the image: for documents.
func Contents() []Folder {
	diffs := make([]Entry, len(diffKinds))
	for i, kind := range diffKinds {
		diffs[i] = Entry{"<reference>" + kind.suffix, kind.doc}
	}
	return []Folder{
		{"At the root", rowEntries(rootRows)},
		{"In each process's directory", rowEntries(slices.Concat(processRows, dumpRows))},
		{"In each directory of modules/", rowEntries(dllKind.rows)},
		{"In each directory of drivers/", rowEntries(driverKind.rows)},
		{"In diff-vs/ and diff-vs-restored/, for each reference", diffs},
	}
}

func rowEntries[T any](rows []row[T]) []Entry {
	out := make([]Entry, len(rows))
	for i, r := range rows {
		out[i] = Entry{r.name, r.doc}
		if r.dir != nil {
			out[i].Name += "/"
		}
	}
	return out
}
