package memimage

import (
	"strconv"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// truthStates are the truth files' names of the states of a page. Where the memory manager has never made a prototype
// entry's page, a truth file calls it a page of zeros.
var truthStates = map[string]string{
	"valid": "valid", "transition": "transition", "demand zero": "demandzero", "page file": "pagefile", "VAD: not present": "none", "not present": "none",
	"prototype: valid": "proto-valid", "prototype: transition": "proto-transition", "prototype: file only": "proto-disk", "prototype: demand zero": "proto-zero",
	"lookup: valid": "lookup-valid", "lookup: transition": "lookup-transition", "lookup: file only": "lookup-disk", "lookup: demand zero": "lookup-zero",
	"VAD: valid": "vad-valid", "VAD: transition": "vad-transition", "VAD: file only": "vad-disk", "VAD: demand zero": "vad-zero",
}

// pageSet parses "0-3,7".
func pageSet(t *testing.T, s string) []int {
	t.Helper()
	var out []int
	for part := range strings.SplitSeq(s, ",") {
		first, last, ranged := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && ranged {
			b, err = strconv.Atoi(last)
		}
		if err != nil {
			t.Fatal(err)
		}
		for ; a <= b; a++ {
			out = append(out, a)
		}
	}
	return out
}

func TestPageStatesAreThoseOfTheTruth(t *testing.T) {
	corpus.Long(t)
	for _, name := range reference {
		t.Run(name, func(t *testing.T) {
			truth := corpus.Load(t, name)
			all := allProcesses(t, openReference(t, name, Options{}))
			for _, want := range truth.Processes {
				if len(want.Pages) == 0 {
					continue
				}
				states := map[int]string{}
				for state, pages := range want.Pages {
					for _, i := range pageSet(t, pages) {
						states[i] = state
					}
				}
				p := all[hexNumber(t, want.OffsetP)]
				n := 0
				for page := range p.Pages() {
					if got := truthStates[page.State]; got != states[n] {
						t.Errorf("process %d %q, page %d is %q, want %q (%s)", want.PID, want.Name, n, page.State, states[n], page.Note)
					}
					n++
				}
				if n != len(states) {
					t.Errorf("process %d %q has %d pages, want %d", want.PID, want.Name, n, len(states))
				}
			}
		})
	}
}
