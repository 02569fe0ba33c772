package digest

import (
	"crypto/md5"
	"fmt"
	"io"
	"strings"

	saferwall "github.com/saferwall/pe"

	"memlens/memimage/pe"
	"memlens/memimage/sparse"
)

// Imphash returns the import hash of a file, or "" if it has none, or if bytes that it depends on are missing. The
// error is about a failed read.
func Imphash(src sparse.Source) (string, error) {
	f, err := pe.Open(src)
	if Unreadable(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	imports, err := f.Imports()
	if err != nil {
		return "", err
	}
	return ImphashOf(imports), nil
}

// ImphashOf is Mandiant's import hash as pefile makes it: the MD5 of all functions as dll.function, without the DLL's
// extension, in lower case, in the order of the tables. Some DLLs' ordinals have names. It is empty unless all of the
// tables could be read.
func ImphashOf(imports *pe.Imports) string {
	if !imports.Complete() {
		return ""
	}
	sum, comma := md5.New(), ""
	for i := range imports.DLLs {
		d := &imports.DLLs[i]
		dll := dllOf(d.Name)
		for _, fn := range d.Functions {
			if name := functionOf(d.Name, fn); name != "" {
				io.WriteString(sum, comma+dll+"."+strings.ToLower(name))
				comma = ","
			}
		}
	}
	if comma == "" {
		return ""
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

const (
	letters    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	inFile     = letters + "!#$%&'()-@^_`{}~+,.;=[]:\\/" // characters that pefile accepts in the name of a file
	inFunction = letters + "._?@$()<>"                   // and in the name of a function
)

// dllOf returns the name of a DLL in the hash.
func dllOf(name string) string {
	if strings.Trim(name, inFile) != "" {
		return "*invalid*"
	}
	name = strings.ToLower(name)
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		switch name[at+1:] {
		case "ocx", "sys", "dll":
			return name[:at]
		}
	}
	return name
}

// functionOf returns the name of a function in the hash; "" when it does not count.
func functionOf(dll string, fn pe.Function) string {
	switch {
	case fn.ByOrdinal && fn.Ordinal == 0:
		return ""
	case fn.ByOrdinal:
		return saferwall.OrdLookup(dll, uint64(fn.Ordinal), true)
	case strings.Trim(fn.Name, inFunction) != "":
		return ""
	}
	return fn.Name
}
