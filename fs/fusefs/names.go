//go:build linux

package fusefs

// nameNumber is the number of a name.
type nameNumber uint32

// names are the names of nodes, each once: a hundred thousand files of as many directories have some ten names.
type names struct {
	byText map[string]nameNumber
	all    []usedName
	free   []nameNumber
}

// usedName is a name, and how many nodes have it.
type usedName struct {
	text string
	used uint32
}

func newNames() names { return names{byText: map[string]nameNumber{}} }

// take returns the number of a name that one more node has.
func (t *names) take(text string) nameNumber {
	i, known := t.byText[text]
	switch last := len(t.free) - 1; {
	case known:
	case last >= 0:
		i, t.free = t.free[last], t.free[:last]
		t.all[i] = usedName{text: text}
	default:
		i = nameNumber(len(t.all))
		t.all = append(t.all, usedName{text: text})
	}
	t.byText[text] = i
	t.all[i].used++
	return i
}

// drop notes that a node that had a name is gone.
func (t *names) drop(i nameNumber) {
	if t.all[i].used--; t.all[i].used == 0 {
		delete(t.byText, t.all[i].text)
		t.all[i] = usedName{}
		t.free = append(t.free, i)
	}
}
