package memimage

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// sparseFile writes a system of 4 GiB to a file with holes.
func sparseFile(b *testing.B, sys synth.System) string {
	b.Helper()
	sys.RAM = 4 << 30
	m, err := synth.Build(sys)
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "memory.raw")
	if err := m.WriteFile(name); err != nil {
		b.Fatal(err)
	}
	return name
}

// peak returns the most memory in MiB that the program has had; 0 where the system does not say.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kib, _ := strconv.ParseFloat(strings.Fields(after + " 0")[0], 64)
	return kib / 1024
}

func benchOpen(b *testing.B, sys synth.System, o Options) {
	name := sparseFile(b, sys)
	b.ReportAllocs()
	for b.Loop() {
		im, err := Open(context.Background(), name, o)
		if err != nil {
			b.Fatal(err)
		}
		if listed, _ := im.Processes(); len(listed) < 7 {
			b.Fatalf("%d processes", len(listed))
		}
		if err := im.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(peak(), "MiB-peak")
}

// BenchmarkOpen opens a sparse image of 4 GiB of every version, and lists its processes.
func BenchmarkOpen(b *testing.B) {
	for p := range profile.Builtin().All() {
		b.Run(p.Name(), func(b *testing.B) { benchOpen(b, builtSystem(p), Options{}) })
	}
}

// BenchmarkOpenUnknown opens images of kernels without a profile. Their offsets are inferred.
func BenchmarkOpenUnknown(b *testing.B) {
	for _, name := range []string{"WinXPSP3x86", "Win7SP1x86", "Win7SP1x64", "Win10x86_17134", "Win10x64_19041.2846", "Win11x64_26100"} {
		p, err := profile.Builtin().ByName(name)
		if err != nil {
			b.Fatal(err)
		}
		others := profile.Builtin().Without(func(other *profile.Profile) bool { return other.Version().Build == p.Version().Build })
		b.Run(name, func(b *testing.B) { benchOpen(b, builtSystem(shaken(b, p, 1)), Options{Profiles: others}) })
	}
}
