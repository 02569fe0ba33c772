package profile

import (
	"encoding/json"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// TestBuiltinAgainstItsSource compares every member of every structure with the data that the archive was made from.
func TestBuiltinAgainstItsSource(t *testing.T) {
	var all struct {
		Versions map[string]struct {
			Arch    string
			Kernels []struct {
				GUID    string
				Age     uint32
				Symbols map[string]uint64
			}
			Structs map[string]struct {
				Size   int64
				Fields map[string][]any
			}
		}
	}
	if err := json.Unmarshal(corpus.ReadXZ(t, "data/offsets.json.xz"), &all); err != nil {
		t.Fatal(err)
	}
	for key, v := range all.Versions {
		var p *Profile
		if name, ok := strings.CutPrefix(key, "v2_"); ok {
			p = mustName(t, name)
		}
		for _, k := range v.Kernels {
			var ok bool
			if p, ok = Builtin().ByIdentity(Identity{GUID: k.GUID, Age: k.Age}); !ok {
				t.Fatalf("%s: no kernel %s", key, k.GUID)
			}
			for name, want := range k.Symbols {
				if rva, ok := p.Symbol(name); !ok || rva != want {
					t.Errorf("%s %s: %#x, want %#x", k.GUID, name, rva, want)
				}
			}
		}
		if p.Arch().String() != v.Arch {
			t.Errorf("%s: %s, want %s", key, p.Arch(), v.Arch)
		}
		for name, s := range v.Structs {
			if size, ok := p.SizeOf(name); !ok || size != s.Size {
				t.Errorf("%s %s: %d bytes, want %d", key, name, size, s.Size)
			}
			for field, want := range s.Fields {
				offset := int64(want[0].(float64))
				f, ok := p.Field(name + "." + field)
				if offset >= 0 && (!ok || f.Offset != offset) {
					t.Errorf("%s %s.%s: %d, %v, want %d", key, name, field, f.Offset, ok, offset)
				}
				if len(want) == 4 && (float64(f.BitPos) != want[2].(float64) || float64(f.Bits) != want[3].(float64)) {
					t.Errorf("%s %s.%s: bits %d:%d, want %v", key, name, field, f.BitPos, f.Bits, want)
				}
			}
		}
	}
}

// Through structures and unions, and structures added by the overlay.
func TestPathsThatEveryKernelHas(t *testing.T) {
	paths := strings.Fields(`
		_EPROCESS.Pcb.DirectoryTableBase _EPROCESS.Pcb.Header.Type _EPROCESS.ActiveProcessLinks.Flink
		_EPROCESS.SeAuditProcessCreationInfo.ImageFileName _EPROCESS.CreateTime.QuadPart _EPROCESS.Token.Object
		_MMVAD_SHORT.u.VadFlags.Protection _MMVAD_SHORT.u.VadFlags.PrivateMemory
		_CONTROL_AREA.u.Flags.Image _CONTROL_AREA.FilePointer _SUBSECTION.SubsectionBase _SEGMENT.ControlArea
		_MMPTE.u.Hard.Valid _MMPTE.u.Soft.Prototype _MMPTE.u.Trans.PageFrameNumber _MMPTE.u.Proto _MMPTE.u.Subsect
		_MMPFN.OriginalPte _MMPFN.PteAddress
		_KDDEBUGGER_DATA64.Header.Size _KDDEBUGGER_DATA64.MmPagedPoolStart _KDDEBUGGER_DATA64.PsLoadedModuleList
		_PEB.ProcessParameters _RTL_USER_PROCESS_PARAMETERS.ImagePathName.Buffer _LDR_DATA_TABLE_ENTRY.FullDllName.Length
		_POOL_HEADER.PoolTag _OBJECT_HEADER.Body _SHARED_CACHE_MAP.Vacbs _VACB.Overlay.FileOffset.QuadPart
		_KUSER_SHARED_DATA.SystemTime.High1Time _DISPATCHER_HEADER.Type _DISPATCHER_HEADER.Size`)
	for p := range Builtin().All() {
		for _, path := range paths {
			if f, ok := p.Field(path); !ok || f.Size == 0 && f.Type != "<anon>" {
				t.Errorf("%s has no %s (%+v)", p.Name(), path, f)
			}
		}
	}
}
