package synth

import (
	"testing"
)

// vadFields are the members of a node in one form of the tree.
type vadFields struct{ left, right, start, end, startHigh, endHigh string }

var vadForms = []vadFields{
	{"_MMVAD_SHORT.LeftChild", "_MMVAD_SHORT.RightChild", "_MMVAD_SHORT.StartingVpn", "_MMVAD_SHORT.EndingVpn", "", ""},
	{"_MMVAD_SHORT.VadNode.LeftChild", "_MMVAD_SHORT.VadNode.RightChild", "_MMVAD_SHORT.StartingVpn", "_MMVAD_SHORT.EndingVpn", "", ""},
	{
		"_MMVAD_SHORT.VadNode.Left", "_MMVAD_SHORT.VadNode.Right", "_MMVAD_SHORT.StartingVpn", "_MMVAD_SHORT.EndingVpn",
		"_MMVAD_SHORT.StartingVpnHigh", "_MMVAD_SHORT.EndingVpnHigh",
	},
}

func (w walker) has(path string) bool {
	_, ok := w.p.Field(path)
	return ok
}

func (w walker) vadForm() vadFields {
	for _, f := range vadForms {
		if w.has(f.left) {
			return f
		}
	}
	w.t.Fatalf("profile %s: no form of the VAD tree", w.p.Name())
	return vadFields{}
}

// sized reads a member of as many bytes as it has.
func (w walker) sized(va uint64, path string) uint64 {
	f, ok := w.p.Field(path)
	if !ok {
		return 0
	}
	return w.read(va+uint64(f.Offset), int(f.Size))
}

type vadRange struct{ va, start, end uint64 }

// vads walks the tree in order.
func (w walker) vads(node uint64, f vadFields, depth int) []vadRange {
	w.t.Helper()
	if node == 0 {
		return nil
	}
	if depth > 32 {
		w.t.Fatalf("the tree is too deep at %#x", node)
	}
	start, end := w.sized(node, f.start), w.sized(node, f.end)
	if f.startHigh != "" {
		start |= w.sized(node, f.startHigh) << 32
		end |= w.sized(node, f.endHigh) << 32
	}
	out := w.vads(w.pointer(node+w.off(f.left)), f, depth+1)
	out = append(out, vadRange{node, start << 12, end<<12 | 0xfff})
	return append(out, w.vads(w.pointer(node+w.off(f.right)), f, depth+1)...)
}

// vadRoot is the root of a process's tree.
func (w walker) vadRoot(eprocess uint64) uint64 {
	for _, root := range []string{"_EPROCESS.VadRoot.BalancedRoot.RightChild", "_EPROCESS.VadRoot.Root", "_EPROCESS.VadRoot"} {
		if w.has(root) {
			return w.pointer(eprocess + w.off(root))
		}
	}
	return 0
}

func TestVADs(t *testing.T) {
	eachForm(t, func(t *testing.T, w walker, m *Memory) {
		for _, p := range m.Truth.Processes {
			if p.File == nil || p.Dead {
				continue
			}
			got := w.vads(w.vadRoot(p.EPROCESS), w.vadForm(), 0)
			if len(got) != p.VADs {
				t.Errorf("%s: %d VADs, want %d", p.Name, len(got), p.VADs)
			}
			last, found := uint64(0), false
			for _, v := range got {
				if v.start < last || v.end < v.start {
					t.Errorf("%s: VADs are not in order at %#x", p.Name, v.start)
				}
				last = v.end
				if v.start == p.Base {
					found = true
					checkImageVAD(t, w, p, v)
				}
			}
			if !found {
				t.Errorf("%s: no VAD at the image base %#x", p.Name, p.Base)
			}
		}
	})
}

// checkImageVAD follows an image's VAD to its prototype PTEs.
func checkImageVAD(t *testing.T, w walker, p ProcessTruth, v vadRange) {
	t.Helper()
	if want := p.Base + uint64(len(p.Pages)*pageSize) - 1; v.end != want {
		t.Errorf("%s: VAD ends at %#x, want %#x", p.Name, v.end, want)
	}
	if got := w.pointer(v.va + w.off("_MMVAD.FirstPrototypePte")); got != p.Pages[0].Proto {
		t.Errorf("%s: first prototype PTE %#x, want %#x", p.Name, got, p.Pages[0].Proto)
	}
	area := uint64(0)
	if w.has("_MMVAD.ControlArea") {
		area = w.pointer(v.va + w.off("_MMVAD.ControlArea"))
	} else {
		area = w.pointer(w.pointer(v.va+w.off("_MMVAD.Subsection")) + w.off("_SUBSECTION.ControlArea"))
	}
	if area != p.ControlArea {
		t.Errorf("%s: control area %#x, want %#x", p.Name, area, p.ControlArea)
	}
	checkVADFlags(t, w, v.va)
}

// checkVADFlags checks that the VAD is an image map with copy on write.
func checkVADFlags(t *testing.T, w walker, va uint64) {
	t.Helper()
	flags := "_MMVAD_SHORT.u.VadFlags."
	image, want := flags+"VadType", uint64(2)
	if w.has(flags + "ImageMap") {
		image, want = flags+"ImageMap", 1
	}
	for member, want := range map[string]uint64{image: want, flags + "Protection": 7, flags + "PrivateMemory": 0} {
		f, ok := w.p.Field(member)
		if !ok {
			t.Errorf("profile %s lacks %s", w.p.Name(), member)
			continue
		}
		if got := f.Bitfield(w.read(va+uint64(f.Offset), fieldBytes(f))); got != want {
			t.Errorf("%s is %d, want %d", member, got, want)
		}
	}
}

func TestVADLoop(t *testing.T) {
	s := typical(named(t, "WinXPSP2x86"))
	s.Processes[0].VADLoop = true
	m := build(t, s)
	w := newWalker(t, s, m)
	root := w.vadRoot(findPID(t, m, 368).EPROCESS)
	f := w.vadForm()
	node := root
	for range 10 {
		node = w.pointer(node + w.off(f.right))
		if node == root {
			return
		}
	}
	t.Error("going right from the root does not lead back to it")
}
