package memimage

import (
	"context"
	"crypto/md5"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// moved moves all DLLs away from the addresses that they were linked for, with pages of all kinds.
func moved(system *synth.System) {
	for i := range system.Processes {
		modules := slices.Clone(system.Processes[i].Modules)
		for k := range modules {
			modules[k].Base, modules[k].Pages = 0x20000000+uint64(k)<<20, synth.Mixed(uint64(i*100+k))
		}
		system.Processes[i].Modules = modules
	}
}

// benchModules opens an image of 30 processes with 30 DLLs each anew, and does something with each of these.
func benchModules(b *testing.B, do func(b *testing.B, m *FoundModule) int64) {
	for _, profile := range []string{"WinXPSP2x86", "Win7SP1x64", "Win10x64_19041"} {
		b.Run(profile, func(b *testing.B) {
			system := manyModules(b, profile, 30, 30, 0x8000)
			moved(&system)
			m, err := synth.Build(system)
			if err != nil {
				b.Fatal(err)
			}
			name := filepath.Join(b.TempDir(), "memory.raw")
			if err := m.WriteFile(name); err != nil {
				b.Fatal(err)
			}
			m = nil
			forgetPeak()
			b.ReportAllocs()
			bytes, modules := int64(0), 0
			for b.Loop() {
				bytes, modules = 0, 0
				b.StopTimer()
				im, err := Open(context.Background(), name, Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				listed, _ := im.Processes()
				for _, p := range listed {
					found, _ := p.Modules()
					for _, m := range found {
						bytes += do(b, m)
						modules++
					}
				}
				im.Close()
			}
			b.ReportMetric(float64(modules), "modules")
			b.ReportMetric(float64(bytes)/1e6, "MB")
			b.ReportMetric(peak(), "MiB-peak")
		})
	}
}

// forgetPeak makes peak start anew, where the system can do that.
func forgetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// BenchmarkModuleDigests reads every dump of a DLL.
func BenchmarkModuleDigests(b *testing.B) {
	benchModules(b, func(b *testing.B, m *FoundModule) int64 {
		e, err := m.FileDump()
		if err != nil {
			return 0 // the page of its header is missing
		}
		n, err := io.Copy(md5.New(), io.NewSectionReader(sparse.ZeroFill(e.Reader, nil), 0, e.Reader.Size()))
		if err != nil {
			b.Fatal(err)
		}
		return n
	})
}

// BenchmarkModuleChanges compares every module with its file.
func BenchmarkModuleChanges(b *testing.B) {
	benchModules(b, func(b *testing.B, m *FoundModule) int64 {
		r, err := m.Changes()
		if err != nil {
			b.Fatal(err)
		}
		return int64(r.Comparable()) * pageSize
	})
}

// BenchmarkModuleRestored plans the restoration of every module.
func BenchmarkModuleRestored(b *testing.B) {
	benchModules(b, func(b *testing.B, m *FoundModule) int64 {
		r, err := m.Restored()
		if err != nil {
			b.Fatal(err)
		}
		return r.Reader.Size()
	})
}
