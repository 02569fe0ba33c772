package memimage

import (
	"strings"
	"testing"

	"memlens/memimage/integrity"
	"memlens/memimage/paging"

	"memlens/memimage/synth/corpus"
)

// TestChangesOfModules compares every module of the reference images with its file. Modules that the loader has loaded
// are unchanged; modules in memory of no file are found. No code is changed in any of these.
func TestChangesOfModules(t *testing.T) {
	corpus.Long(t)
	corpus.Dir(t)
	for _, name := range corpus.ModuleImages {
		t.Run(name, func(t *testing.T) {
			all := allProcesses(t, openReference(t, name, Options{}))
			verdicts := map[string]map[integrity.VerdictCode]int{}
			for _, p := range corpus.LoadModules(t, name).Processes {
				byBase := map[paging.Virt]*FoundModule{}
				found, _ := all[hexNumber(t, p.OffsetP)].Modules()
				for _, f := range found {
					byBase[f.Found.Base] = f
				}
				for _, want := range append(p.Modules, p.Other...) {
					m := byBase[paging.Virt(hexNumber(t, want.Base))]
					if m == nil {
						continue // reported elsewhere
					}
					r, err := m.Changes()
					if lacks := want.Class == "mapped as data"; lacks != (err != nil) {
						t.Errorf("%s: %s, %s: %v", p.Name, want.Name, want.Class, err)
					}
					if err == nil {
						checkVerdict(t, p.Name, want, r, name == "ReactOS0413x86")
						count(verdicts, want.Class, r.Verdict.Code)
					}
				}
			}
			t.Log(verdicts)
		})
	}
}

func count(verdicts map[string]map[integrity.VerdictCode]int, class string, code integrity.VerdictCode) {
	if verdicts[class] == nil {
		verdicts[class] = map[integrity.VerdictCode]int{}
	}
	verdicts[class][code]++
}

// checkVerdict compares the outcome for a module with its class. The sections of ReactOS differ from Windows', so that
// the backing of its modules is not known.
func checkVerdict(t *testing.T, process string, want corpus.Module, r *integrity.Result, reactOS bool) {
	t.Helper()
	code := map[string]integrity.VerdictCode{
		"hollowed": integrity.NotItsFile, "injected": integrity.NoFile, "injected, header wiped": integrity.NoFile,
	}[want.Class]
	switch {
	case reactOS:
		code = integrity.Unknown
	case want.Main && strings.HasPrefix(process, "bad_"):
		code = integrity.OtherDiffers
	}
	got := r.Verdict.Code
	if got != code && got != integrity.Unknown && !isUnboundWine(want, r) || r.ChangedCode() > 0 || r.LeftOut > 0 {
		t.Errorf("%s: %s, %s: %s, %+v", process, want.Name, want.Class, r.Verdict, suspicious(r))
	}
}

// isUnboundWine reports whether a DLL of Wine has imports without a name or DLL that can be read, and that lead to no
// module: the makers of the images have bound them to DLLs that no process has.
func isUnboundWine(want corpus.Module, r *integrity.Result) bool {
	for _, run := range suspicious(r) {
		if run.Cause != integrity.ImportChanged || run.Note != "the name of the import cannot be read; leads to no module" {
			return false
		}
	}
	return r.Verdict.Code == integrity.OtherDiffers && want.Bits == 64 && want.Name == "kernel32.dll"
}

// TestChangesByModule looks at the changes in modules that a loader or a program has changed.
func TestChangesByModule(t *testing.T) {
	corpus.Dir(t)
	for _, name := range []string{"WinXPSP3x86PAE-modules", "Win7SP1x64-modules", "Win10x64_19041-modules"} {
		im := openReference(t, name, Options{})
		for _, x := range []struct {
			process, module, section string
			cause                    integrity.Cause
			verdict                  integrity.VerdictCode
			least                    int64 // bytes of the cause
		}{
			{"fwdapp.exe", "fwdapp.exe", ".idata", integrity.ImportBinding, integrity.Equal, 50}, // through the forwarders of fwd.dll
			{"packdll.exe", "packed.dll", "UPX0", integrity.DataSection, integrity.Equal, 10000}, // code that was unpacked
			{"unlinked.exe", "hidden.dll", "", integrity.Relocation, integrity.Equal, 0},
			{"inject.exe", "injected", "", integrity.CodeChanged, integrity.NoFile, 0},
			{"wiped.exe", "header erased", "", integrity.CodeChanged, integrity.NoFile, 0},
			{"hollow.exe", "svchost.exe", "", integrity.CodeChanged, integrity.NotItsFile, 0},
		} {
			r := changesOf(t, im, x.process, x.module)
			n := int64(0)
			for _, run := range r.Runs {
				if run.Cause == x.cause && run.Section == x.section {
					n += run.Changed
				}
			}
			if r.Verdict.Code != x.verdict || n < x.least || len(suspicious(r)) > 0 {
				t.Errorf("%s: %s of %s: %d bytes of %s, %s, %+v", name, x.module, x.process, n, x.cause, r.Verdict, suspicious(r))
			}
		}
	}
}

// changesOf returns the outcome for a module of a process by its name.
func changesOf(t *testing.T, im *Image, process, module string) *integrity.Result {
	t.Helper()
	found, _ := processNamed(t, im, process).Modules()
	for _, m := range found {
		if m.Name() != module {
			continue
		}
		r, err := m.Changes()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Fatalf("%s has no module %s", process, module)
	return nil
}
