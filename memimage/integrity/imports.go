package integrity

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"memlens/memimage/pe"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// maxForwards bounds a chain of exports that are forwarded.
const maxForwards = 8

// judgeImport says whether an import leads to the function that it names.
func (c *comparison) judgeImport(at place, v uint64) (piece, error) {
	out := piece{cause: ImportBinding, certainty: restore.Assumed, target: v}
	if at.kind == delayPlace {
		out.cause = DelayImport
	}
	modules := c.modulesOf()
	switch {
	case modules == nil:
		out.note = "what it should lead to is not known: no list of modules"
		return out, nil
	case at.kind == delayPlace && c.inImage(v): // to the code that looks the function up
		return out, nil
	case at.fn == nil || at.dll == "":
		return c.nameless(out, at.dll), nil
	}
	l := lookup{modules: modules, want: v, plus: c.header.Plus, looked: &c.looked}
	if err := l.dll(at.dll, *at.fn, 0); err != nil {
		return out, err
	}
	return c.conclude(out, at, &l)
}

// nameless judges an import without a readable name; dll is the name of its DLL, if that can be read.
func (c *comparison) nameless(out piece, dll string) piece {
	out.note = "the name of the import cannot be read"
	switch absent := c.absent(dll); {
	case !c.allKnown() || c.moduleAt(out.target) != nil:
	case absent != "": // it must have been loaded, so there are modules that are not known
		out.note += ", and " + absent + " is none of the modules that are known"
	default:
		out.cause = ImportChanged
	}
	return out
}

// absent returns a DLL that the image imports and that is no known module; "" for none. If dll is not empty, it is dll;
// otherwise any such DLL.
func (c *comparison) absent(dll string) string {
	if dll != "" {
		return c.modules.missing(dll)
	}
	for i := range c.places.list {
		at := &c.places.list[i]
		if absent := c.modules.missing(at.dll); at.kind == importPlace && absent != "" {
			return absent
		}
	}
	return ""
}

// missing returns a name that no module and no API set has; "" for any other name.
func (m *Modules) missing(name string) string {
	if name == "" || isAPISet(name) || len(m.Named(name)) > 0 {
		return ""
	}
	return name
}

// conclude judges an import by the export tables.
func (c *comparison) conclude(out piece, at place, l *lookup) (piece, error) {
	name := importName(at)
	switch {
	case l.found && l.own && !c.places.assumed:
		out.certainty = restore.Exact
		return out, nil
	case l.found:
		out.note = "the tables that say so are read from pages that the process may have written to"
		return out, nil
	}
	m := c.moduleAt(out.target)
	switch {
	case m != nil && isShim(m.Name):
		out.note = "leads to " + m.Name + ", which changes imports for compatibility"
		return out, nil
	case m != nil && m.Name == "": // it may be the module that the import names
		out.note = name + " cannot be looked up: it leads to a module whose name cannot be read"
		return out, nil
	}
	standIn := at.kind == delayPlace && !l.known && hasStandIns(m)
	if l.known && !l.unsure || !standIn && l.within(m, at.dll) == noFunction {
		return c.importChanged(out, name, l), nil
	}
	switch found, sure, err := c.elsewhere(l, m, l.asked(*at.fn)); {
	case err != nil:
		return out, err
	case found:
		out.note = name + " is a function of that name of another module"
	case standIn && !l.other:
		out.note = name + " is a function of no module that is known, and " + m.Name + " has functions that stand for missing ones"
	case l.absent != "": // it must have been loaded, so there are modules that are not known
		out.note = name + " cannot be looked up: " + l.absent + " is none of the modules that are known"
	case sure && l.apiSet && c.allKnown() || m == nil && c.allKnown():
		return c.importChanged(out, name, l), nil
	case *l.looked > maxLookups:
		out.note = name + " cannot be looked up: there are more modules and imports than are looked up"
	case l.within(m, at.dll) == someFunction:
		out.note = name + " leads to a function of that module; which one is not known, because a page of the exports is missing"
	case l.unsure:
		out.note = name + " cannot be looked up: a page of the exports is missing"
	default:
		out.note = name + " cannot be looked up: no module that is known has it"
	}
	return out, nil
}

// importChanged judges an import that leads elsewhere.
func (c *comparison) importChanged(out piece, name string, l *lookup) piece {
	out.cause, out.note = ImportChanged, name
	if l.known && l.own && !c.places.assumed && c.allKnown() { // of two modules with that name one may be unknown
		out.certainty = restore.Exact
	}
	return out
}

// importName names an import as debuggers do.
func importName(at place) string {
	if at.fn.ByOrdinal {
		return fmt.Sprintf("%s!#%d", at.dll, at.fn.Ordinal)
	}
	return at.dll + "!" + at.fn.Name
}

// isShim reports whether a module leads imports of old programs elsewhere, for Windows' compatibility.
func isShim(name string) bool {
	switch strings.ToLower(name) {
	case "apphelp.dll", "aclayers.dll", "acgenral.dll", "acspecfc.dll", "acxtrnal.dll", "acwinrt.dll", "acres.dll", "aclua.dll", "shimeng.dll", "verifier.dll", "vfbasics.dll":
		return true
	}
	return false
}

// hasStandIns reports whether a module has functions to which Windows leads a delayed import when no function has its
// name (DelayLoadFailureHook).
func hasStandIns(m *Module) bool {
	return m != nil && (strings.EqualFold(m.Name, "kernel32.dll") || strings.EqualFold(m.Name, "kernelbase.dll"))
}

// isAPISet reports whether a DLL's name is the name of an API set, which other modules implement.
func isAPISet(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "api-") || strings.HasPrefix(name, "ext-")
}

// lookup looks for the function that an import names.
type lookup struct {
	modules *Modules
	want    uint64
	plus    bool   // the importing image is of 64 bits: so must be the modules that it imports from
	found   bool   // the function is where want is
	known   bool   // the function is somewhere else
	own     bool   // by tables that no process can have written to
	unsure  bool   // something could not be read
	apiSet  bool   // the way led to an API set
	absent  string // the name of a module that must be there, and is not known
	other   bool   // a module that the import does not name has a function with that name, somewhere else than want

	last   *pe.Function // the last function that was looked up in a DLL that is no known module
	looked *int         // number of looks at modules, for all imports of an image
}

// maxLookups bounds the looks at modules for the imports of an image: hostile modules have one name, and their
// functions are forwarded to each other.
const maxLookups = 1 << 18

// asked returns the function that the import stands for. Where the way to it led to a DLL that is no module, such as an
// API set, it is the function there: a forwarded function often has another name.
func (l *lookup) asked(fn pe.Function) pe.Function {
	if l.last != nil {
		return *l.last
	}
	return fn
}

// dll looks in the modules with a name.
func (l *lookup) dll(name string, fn pe.Function, depth int) error {
	named := l.modules.Named(name)
	l.apiSet = l.apiSet || isAPISet(name)
	if len(named) == 0 {
		l.last = &fn
	}
	l.absent = cmp.Or(l.modules.missing(name), l.absent)
	for _, m := range named {
		if err := l.module(m, fn, depth); err != nil || l.found {
			return err
		}
	}
	return nil
}

// module looks in one module.
func (l *lookup) module(m *Module, fn pe.Function, depth int) error {
	if *l.looked++; *l.looked > maxLookups {
		l.unsure = true
		return nil
	}
	e, own, err := m.Exports()
	if err != nil {
		return err
	}
	if e == nil {
		l.unsure = true
		return nil
	}
	if e.Plus() != l.plus { // a 32-bit process on 64-bit Windows has two of some names
		return nil
	}
	at, ok, err := export(e, fn)
	switch {
	case sparse.Failed(err):
		return err
	case err != nil:
		l.unsure = true
	case !ok:
	case at.Forward != "" && depth < maxForwards:
		return l.forward(at.Forward, depth)
	case at.Forward != "":
		l.unsure = true
	default:
		l.known, l.own = true, own
		l.found = m.Base+uint64(at.RVA) == l.want
	}
	return nil
}

// forward follows the name of another module's function: "DLL.Name" or "DLL.#ordinal".
func (l *lookup) forward(to string, depth int) error {
	i := strings.LastIndexByte(to, '.')
	fn := pe.Function{Name: to[i+1:]}
	if number, ok := strings.CutPrefix(fn.Name, "#"); ok {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			l.unsure = true
			return nil
		}
		fn = pe.Function{Ordinal: uint16(n), ByOrdinal: true}
	}
	return l.dll(to[:i], fn, depth+1)
}

// export returns the function of a module.
func export(e *pe.Exports, fn pe.Function) (pe.Export, bool, error) {
	if fn.ByOrdinal {
		return e.Ordinal(fn.Ordinal)
	}
	return e.Named(fn.Name)
}

// elsewhere does the same as elsewhere of a lookup. An address in no module is no module's function, and the modules
// are not searched where that is certain.
func (c *comparison) elsewhere(l *lookup, m *Module, fn pe.Function) (found, sure bool, err error) {
	if m == nil && (l.absent != "" || c.allKnown()) {
		return false, false, nil
	}
	return l.elsewhere(m, fn)
}

// elsewhere reports whether any module has the function at the address that the import leads to. It is for functions of
// API sets, which have no module of their name. sure says that the tables of all modules could be read. The import
// leads into likely, which is searched first.
func (l *lookup) elsewhere(likely *Module, fn pe.Function) (found, sure bool, err error) {
	if fn.ByOrdinal {
		return false, false, nil
	}
	all := lookup{modules: l.modules, want: l.want, plus: l.plus, looked: l.looked}
	if likely != nil {
		if err := all.module(likely, fn, 0); err != nil || all.found {
			return all.found, true, err
		}
	}
	for i := range l.modules.list {
		if err := all.module(&l.modules.list[i], fn, 0); err != nil || all.found {
			return all.found, true, err
		}
	}
	l.unsure, l.other = l.unsure || all.unsure, all.known
	return false, !l.unsure, nil
}

// Meanings of an address in a module.
const (
	notKnown = iota
	noFunction
	someFunction
)

// within classifies the address that the import leads to within the module m, nil for none, if the import names that
// module.
func (l *lookup) within(m *Module, name string) int {
	if m == nil || !slices.Contains(l.modules.Named(name), m) {
		return notKnown
	}
	e, _, err := m.Exports()
	if err != nil || e == nil || l.want-m.Base >= 1<<32 {
		return notKnown
	}
	switch is, err := e.IsFunction(uint32(l.want - m.Base)); {
	case is:
		return someFunction
	case err == nil:
		return noFunction
	}
	return notKnown
}
