package fs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"memlens/memimage/report"
)

// readme is the file README.txt, made from the tables of files.
func (f *FS) readme() ([]byte, error) {
	var out bytes.Buffer
	k := f.image.Kernel // and no list: this text is there while a list cannot be read
	what, dump := "memory image", f.image.IsDump()
	if dump {
		what = "process dump"
	}
	fmt.Fprintf(&out, "This is the %s %s, %s build %d, as of %s, shown by memlens.\n", what, report.Printable(f.image.Name()), k.OS(), k.Version.Build,
		stampText(f.image.Time()))
	fmt.Fprintf(&out, "Nothing here can be changed. Files are made as they are read; every reading gives the same bytes.\n\n")
	if dump {
		out.WriteString(readmeDump)
	} else {
		fmt.Fprintf(&out, "Every directory <pid>-<name> is a process that was running.\n")
	}
	fmt.Fprintf(&out, "\nIn this directory:\n")
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	tabulate(w, f.rootRows)
	w.Flush()
	fmt.Fprintf(&out, "\nIn each process's directory:\n")
	tabulate(w, f.processRows)
	w.Flush()
	fmt.Fprintf(&out, "\nIn each directory of a process's modules/, which is called by the address and the name of the image:\n")
	tabulate(w, withoutSystem(f.image, dllKind.rows))
	w.Flush()
	if !dump {
		fmt.Fprintf(&out, "\nIn each directory of drivers/, likewise:\n")
		tabulate(w, driverKind.rows)
		w.Flush()
	}
	if !dump {
		fmt.Fprintf(&out, "\nIn scanned/, besides a directory <pid>-<name> per process:\n")
		tabulate(w, f.scannedRows)
		w.Flush()
	}
	fmt.Fprintf(&out, "\nIn diff-vs/ and diff-vs-restored/, for each reference:\n")
	for _, kind := range diffKinds {
		fmt.Fprintf(w, "  <reference>%s\t%s\n", kind.suffix, kind.doc)
	}
	w.Flush()
	out.WriteString(readmeTail)
	if !dump {
		out.WriteString(readmeStore)
	}
	out.WriteString(readmeEnd)
	return out.Bytes(), nil
}

// tabulate writes a line per row of a table.
func tabulate[T any](w io.Writer, rows []row[T]) {
	for i := range rows {
		name := rows[i].name
		if rows[i].dir != nil {
			name += "/"
		}
		fmt.Fprintf(w, "  %s\t%s\n", name, rows[i].doc)
	}
}

const readmeTail = `
Missing pages read as zeros, and are named: in pages.csv and restored.csv, as holes of the files (SEEK_HOLE, and
"du" counts what is there), and in the extended attributes user.memlens.* ("getfattr -d FILE").
`

const readmeStore = `Pages that Windows has compressed (since Windows 10) are read for restored.exe, regions/, modules/ and modified.csv: image.json says
how they were found, or why they are not read.
`

const readmeEnd = `Known files (--known): what stands in "known" is of restored.exe, by the strongest digest that a set has. A match by SHA-256 proves that
it is that file, byte for byte; two files with the same MD5 or SHA-1 can be made on purpose. An authentihash leaves out the CheckSum
and the certificates. That nothing was found proves nothing.
Any reference in a folder given with --reference opens by name in diff-vs/, whether it is listed or not.
`

// notRecovered is the file NOT-RECOVERED.txt.
func (p *process) notRecovered() (*body, error) {
	return p.exe.text("NOT-RECOVERED.txt", func() ([]byte, error) {
		var out bytes.Buffer
		reasons := map[string][]string{}
		var order []string
		for _, f := range allForms() {
			err := f.lacks(p.exe)
			if err == nil {
				continue
			}
			if reasons[err.Error()] == nil {
				order = append(order, err.Error())
			}
			reasons[err.Error()] = append(reasons[err.Error()], p.exe.file(f))
		}
		if len(order) == 0 {
			return nil, absent(errors.New("everything was recovered"))
		}
		for _, reason := range order {
			fmt.Fprintf(&out, "%s: not recovered, because %s.\n", strings.Join(reasons[reason], ", "), report.Printable(strings.TrimSuffix(reason, ".")))
		}
		return out.Bytes(), nil
	})
}

const readmeDump = `The directory <pid>-<name> is the process. image.json says what is assumed, and what such a dump does not hold: other
processes, drivers, physical addresses, and the pages that the system keeps of mapped files. Paths are those of the process's own lists.
`
