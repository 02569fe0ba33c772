package fs

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestPageSizes measures the pages of processes by their shapes and whole: as they are, and with other digits, which do not
// change the length, and other letters, which may.
func TestPageSizes(t *testing.T) {
	corpus.Long(t)
	r := rand.New(rand.NewPCG(1, 2))
	for name, mem := range map[string]*synth.Memory{"demo": demoMemory(t), "hostile names": hostileNames(t)} {
		f := tree(t, mem, Options{})
		listed, _ := f.image.Processes()
		sizes := newPageSizes()
		for i, p := range listed {
			page, _, err := f.process(place{name: "p"}, p).page(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			kept := 0
			for round := range 40 {
				want, err := measure("process.html", page)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := sizes.process(page); got != want || err != nil {
					t.Fatalf("%s, process %d, round %d: %d bytes, want %d: %v", name, i, round, got, want, err)
				}
				if now := sizes.byShape.Len(); round%8 == 0 {
					kept = now
				} else if now != kept {
					t.Errorf("%s, process %d, round %d: other digits make %d more shapes", name, i, round, now-kept)
				}
				change := otherDigit
				if round%8 == 7 {
					change = otherLetter
				}
				mutate(reflect.ValueOf(page).Elem(), r, change)
			}
		}
	}
}

// TestGallerySizes measures galleries card by card, and whole.
func TestGallerySizes(t *testing.T) {
	for name, mem := range map[string]*synth.Memory{"demo": demoMemory(t), "hostile names": hostileNames(t)} {
		f := tree(t, mem, Options{})
		for _, describe := range []func(context.Context, bool) (*gallery, error){f.listedGallery, f.scannedGallery} {
			for _, whole := range []bool{false, true} {
				g, err := describe(t.Context(), whole)
				if err != nil {
					t.Fatal(err)
				}
				want, err := measure("gallery.html", g)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := f.pageSizes.gallery(g); got != want || err != nil {
					t.Errorf("%s: %d bytes, want %d: %v", name, got, want, err)
				}
			}
		}
	}
}

// hostileNames is a system with a program whose names and paths must be escaped, in each way.
func hostileNames(t *testing.T) *synth.Memory {
	t.Helper()
	system := synth.Demo()
	system.RAM = 16 << 20
	p := &system.Processes[len(system.Processes)-1]
	p.Name, p.CommandLine = `<b>"'&%`, "javascript:alert(1) 0x<0xaé \u202e"
	for i := range p.Modules {
		p.Modules[i].Path = `C:\%41"<i>&'` + string(rune('a'+i)) + "\u00fc0xfé.dll"
	}
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

// mutate changes characters of the texts that a template can see, except for the texts that pages contain unchanged.
func mutate(v reflect.Value, r *rand.Rand, change func(c rune, r *rand.Rand) rune) {
	switch v.Kind() {
	case reflect.String:
		if !verbatim[v.Type()] {
			v.SetString(strings.Map(func(c rune) rune { return change(c, r) }, v.String()))
		}
	case reflect.Slice:
		for i := range v.Len() {
			mutate(v.Index(i), r, change)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				mutate(v.Field(i), r, change)
			}
		}
	}
}

func otherDigit(c rune, r *rand.Rand) rune {
	if c >= '1' && c <= '9' { // a 0 may begin a number in hex
		return '1' + r.Int32N(9)
	}
	return c
}

func otherLetter(c rune, r *rand.Rand) rune {
	if r.IntN(20) == 0 {
		return rune(`<>"'&:/%azx0`[r.IntN(12)])
	}
	return c
}

// TestShapesDiffer makes shapes of data that are not equally long on a page.
func TestShapesDiffer(t *testing.T) {
	seen := map[any]any{}
	for _, data := range []any{
		part{}, part{Count: 1}, part{Count: 10}, part{Name: "a"}, part{Text: "a"}, part{Name: "<"}, part{Name: "0a"}, part{Name: "0x<"},
		[]string{"a", "b"}, []string{"ab"}, []string{"ab", ""}, []string{}, alarm{Text: "<"}, alarm{Text: "<<"}, alarm{Link: "http:x"}, alarm{Link: "java:x"},
	} {
		key, ok := shapeOf("t", data)
		if before := seen[key]; !ok || before != nil {
			t.Errorf("%+v is like %+v", data, before)
		}
		seen[key] = data
	}
	for _, data := range []any{map[string]int{}, func() {}, struct{ P *int }{}} {
		if _, ok := shapeOf("t", data); ok {
			t.Errorf("%T has a shape", data)
		}
	}
	a, _ := shapeOf("t", fact{Value: "0x81af3d10, 12 of 34"})
	b, _ := shapeOf("t", fact{Value: "0xdeadbeef, 90 of 12"})
	if a != b {
		t.Error("digits count")
	}
}

// BenchmarkPageSize measures a process's page: whole, and by the shapes of its pieces, which are known.
func BenchmarkPageSize(b *testing.B) {
	f := tree(b, demoMemory(b), Options{})
	listed, _ := f.image.Processes()
	page, _, err := f.process(place{name: "p"}, listed[len(listed)-1]).page(b.Context(), false)
	if err != nil {
		b.Fatal(err)
	}
	for name, measure := range map[string]func() (int64, error){
		"whole":    func() (int64, error) { return measure("process.html", page) },
		"by shape": func() (int64, error) { return f.pageSizes.process(page) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := measure(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
