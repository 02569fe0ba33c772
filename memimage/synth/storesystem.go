package synth

import (
	"bytes"
	"math/rand/v2"

	"memlens/memimage/profile"
)

// StoreSystem is a system that has pages of every kind in its compression store, reached in every way: five
// processes, and a driver.
//
//	1036  stforms.exe  private pages, of every kind
//	1040  stproto.exe  pages whose prototypes lead to the store, by all three ways
//	1044  strest.exe   PEB, loader's lists, page tables and private memory in the store
//	1048  stpriv.exe   an image that is laid out by hand in private memory
//	1052  stnone.exe   a process that has no page in the store
func StoreSystem(p *profile.Profile) System {
	bits := int(p.Arch().PointerSize()) * 8
	forms := NewProgram(Program{Name: "stforms.exe", Bits: bits, Code: 0x14000, Data: 0x8000})
	protos := NewProgram(Program{Name: "stproto.exe", Bits: bits, Code: 0x10000, Data: 0x9000})
	ways := []State{ProtoCompressed, LookupCompressed, VadCompressed}
	kinds := StoreKinds()
	header := func(pages func(page int) State) func(page int) State {
		return func(page int) State {
			if page == 0 {
				return Valid
			}
			return pages(page)
		}
	}
	private := func(page int) State { return Compressed.As(kinds[page%len(kinds)]) }
	return System{Profile: p, Store: &Store{}, SwizzleMask: 1 << 45, Processes: []Process{
		{PID: 1036, PPID: 4, Name: "stforms.exe", Image: forms, Pages: header(private)},
		{PID: 1040, PPID: 4, Name: "stproto.exe", Image: protos, Pages: header(func(page int) State {
			return ways[page%len(ways)].As(kinds[page%len(kinds)])
		})},
		{PID: 1044, PPID: 4, Name: "strest.exe", Image: forms, PEB: Compressed, Loader: Compressed.As(StoreStraddle), Tables: Compressed.As(StoreLazy),
			Regions: []Region{{VA: 0x3000000, Data: storeRegion(), Pages: private}}},
		{PID: 1048, PPID: 4, Name: "stpriv.exe", Image: forms, Private: true, Protect: ExecuteReadWrite,
			Pages: header(func(page int) State { return []State{Valid, Compressed}[page%2] })},
		{PID: 1052, PPID: 4, Name: "stnone.exe", Image: forms},
	}, Drivers: []Driver{{Name: "st.sys", Image: forms, Pages: func(page int) State { return []State{Valid, Compressed}[page%2] }}}}
}

// storeRegion is private memory: noise, text and numbers, zeros.
func storeRegion() []byte {
	rng := rand.New(rand.NewPCG(1, 1))
	return bytes.Join([][]byte{junk(rng, 0x6000), readOnly(rng, "region", 0x20000), make([]byte, 0x6000)}, nil)
}
