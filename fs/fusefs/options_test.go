package fusefs

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

func TestErrUnsupportedSaysWhatToDo(t *testing.T) {
	if !errors.Is(ErrUnsupported, errors.ErrUnsupported) || !strings.Contains(ErrUnsupported.Error(), "memlens extract") {
		t.Error(ErrUnsupported)
	}
}

func TestUnsupportedElsewhere(t *testing.T) {
	if runtime.GOOS == "linux" {
		t.Skip("Linux can mount")
	}
	if _, err := Mount(t.TempDir(), fstest.MapFS{}, Options{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Mount: %v", err)
	}
	if err := Preflight(t.TempDir(), Options{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Preflight: %v", err)
	}
	if err := Serve(t.Context(), t.TempDir(), fstest.MapFS{}, Options{}, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Serve: %v", err)
	}
}

func TestOptionsDefaults(t *testing.T) {
	o := Options{}.withDefaults()
	if o.Name != "memlens" || o.FsName != "memlens" || o.Logger == nil {
		t.Errorf("%+v", o)
	}
	if o := (Options{Name: "a", FsName: "b"}).withDefaults(); o.Name != "a" || o.FsName != "b" {
		t.Errorf("%+v", o)
	}
}
