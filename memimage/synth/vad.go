package synth

import (
	"cmp"
	"slices"
)

// vad is one range of a process's address space.
type vad struct {
	start, end uint64   // first and last address
	section    *section // the mapped file; nil: private memory
	data       bool     // the file is mapped as data
	protect    Protection
	va         uint64 // address of its _MMVAD
}

// VAD types and protections (_MMVAD_FLAGS).
const (
	vadImageMap = 2
	protWCopy   = 7 // MM_EXECUTE_WRITECOPY
)

// vadTree lays out a process's VADs as a balanced tree and writes its root into the _EPROCESS: a pointer on XP, an
// _MM_AVL_TABLE up to Windows 8, an _RTL_AVL_TREE after.
func (b *builder) vadTree(p *proc) {
	slices.SortFunc(p.vads, func(a, c vad) int { return cmp.Compare(a.start, c.start) })
	for i := range p.vads {
		b.allocVAD(p, &p.vads[i])
	}
	root := b.linkVADs(p.vads, b.vadParent(p))
	switch {
	case p.eprocess.has("VadRoot.BalancedRoot"):
		p.eprocess.set("VadRoot.BalancedRoot.RightChild", root)
		p.eprocess.set("VadRoot.BalancedRoot.u1.Parent", b.vadParent(p)) // itself
		p.eprocess.set("VadRoot.NumberGenericTableElements", uint64(len(p.vads)))
		p.eprocess.set("VadRoot.DepthOfTree", treeDepth(len(p.vads)))
		p.eprocess.set("VadRoot.NodeHint", root)
	case p.eprocess.has("VadRoot.Root"):
		p.eprocess.set("VadRoot.Root", root)
	default:
		p.eprocess.set("VadRoot", root)
	}
	p.eprocess.setFirst(uint64(len(p.vads)), "VadCount", "NumberOfVads")
	p.eprocess.set("VadHint", root)
	if p.VADLoop && len(p.vads) > 0 {
		last := p.vads[len(p.vads)-1]
		b.vadRecord(last).setFirst(root, rightChild...)
	}
}

// vadParent is the Parent of the tree's root: the table's own node, where the
// tree is a table.
func (b *builder) vadParent(p *proc) uint64 {
	if va, ok := p.eprocess.at("VadRoot.BalancedRoot"); ok {
		return va
	}
	return 0
}

func treeDepth(n int) (depth uint64) {
	for ; n > 0; n /= 2 {
		depth++
	}
	return depth
}

// The names of a node's members, in the forms that builds have.
var (
	leftChild  = []string{"LeftChild", "VadNode.Left", "VadNode.LeftChild", "Core.VadNode.Left", "Core.VadNode.LeftChild"}
	rightChild = []string{"RightChild", "VadNode.Right", "VadNode.RightChild", "Core.VadNode.Right", "Core.VadNode.RightChild"}
	parent     = []string{"Parent", "u1.Parent", "VadNode.ParentValue", "VadNode.u1.Parent", "Core.VadNode.ParentValue", "Core.VadNode.u1.Parent"}
)

// linkVADs links sorted nodes into a tree and returns its root.
func (b *builder) linkVADs(nodes []vad, up uint64) uint64 {
	if len(nodes) == 0 {
		return 0
	}
	mid := len(nodes) / 2
	n := nodes[mid]
	r := b.vadRecord(n)
	left, right := b.linkVADs(nodes[:mid], n.va), b.linkVADs(nodes[mid+1:], n.va)
	if b.Hostile.WildVADs && left == 0 {
		left = 0xdeadbee0
	}
	r.setFirst(left, leftChild...)
	r.setFirst(right, rightChild...)
	r.setFirst(up, parent...)
	return n.va
}

// vadRecord is a node as a structure: short for private memory.
func (b *builder) vadRecord(v vad) record {
	if v.section == nil {
		return b.record("_MMVAD_SHORT", v.va)
	}
	return b.record("_MMVAD", v.va)
}

// core is a member's name in a node, which from Windows 8 on has a part Core; short nodes consist of that part.
func (r record) core(member string) string {
	if r.has("Core") {
		return "Core." + member
	}
	return member
}

// allocVAD makes a node.
func (b *builder) allocVAD(p *proc, v *vad) {
	tag, name := "VadS", "_MMVAD_SHORT"
	if v.section != nil {
		tag, name = "Vad ", "_MMVAD"
	}
	v.va = b.nonpaged.alloc(tag, b.l.size(name))
	r := b.vadRecord(*v)
	start, end := v.start>>pageShift, v.end>>pageShift
	r.set(r.core("StartingVpn"), start)
	r.set(r.core("EndingVpn"), end)
	r.set(r.core("StartingVpnHigh"), start>>32)
	r.set(r.core("EndingVpnHigh"), end>>32)
	r.set(r.core("u5.StartingVpnHigher"), start>>40)
	flags := r.core("u.VadFlags.")
	if v.section == nil {
		r.set(flags+"PrivateMemory", 1)
		r.set(flags+"Protection", uint64(cmp.Or(v.protect, ReadWrite)))
		return
	}
	if v.data {
		r.set(flags+"Protection", uint64(cmp.Or(v.protect, ReadOnly)))
		b.fillDataVAD(p, r, v.section)
		return
	}
	r.set(flags+"Protection", protWCopy)
	r.setFirst(1, flags+"ImageMap")
	r.set(flags+"VadType", vadImageMap)
	b.fillImageVAD(p, r, v.section)
}

// fillImageVAD writes the pointers to the section.
func (b *builder) fillImageVAD(p *proc, r record, s *section) {
	r.set("ControlArea", s.control)
	r.set("Subsection", s.subs[0].va)
	first, last := s.protoVA(0), s.protoVA(len(s.protos)-1)
	if b.Hostile.WildVADs {
		first = 0xdeadbee0
	}
	r.set("FirstPrototypePte", first)
	r.set("LastContiguousPte", last)
	r.set("VadsProcess", p.eprocess.va|1)
	r.set("FileObject", s.file)
	r.list("ViewLinks")
}

// fillDataVAD writes the pointers to the data section of a file.
func (b *builder) fillDataVAD(p *proc, r record, s *section) {
	r.set("ControlArea", s.cache.control)
	r.set("Subsection", s.cache.control+uint64(b.l.size("_CONTROL_AREA")))
	r.set("FirstPrototypePte", s.cache.table)
	r.set("LastContiguousPte", s.cache.table+uint64(s.filePages()-1)*s.stride)
	r.set("VadsProcess", p.eprocess.va|1)
	r.set("FileObject", s.file)
	r.list("ViewLinks")
}
