package memimage

import (
	"slices"
	"strings"

	"memlens/memimage/nt"
)

// Kind returns the kind of the process, and whether it is assumed. Some kernels' structures do not mark trustlets;
// there, a program with the name of a trustlet is taken for one on a system with a secure kernel.
func (p *Process) Kind() (kind nt.ProcessKind, assumed bool) {
	kind = p.Process.Kind()
	if kind != nt.OrdinaryProcess || !p.hasTrustletName() || !p.image.HasSecureKernel() {
		return kind, false
	}
	return nt.Trustlet, true
}

// IsTrustlet reports whether the secure kernel runs the process, or is assumed to run it.
func (p *Process) IsTrustlet() bool {
	kind, _ := p.Kind()
	return kind == nt.Trustlet
}

// KindMeans says in a sentence what the kind of the process means for the recovery; empty for ordinary processes.
func (p *Process) KindMeans() string {
	kind, assumed := p.Kind()
	switch kind {
	case nt.Trustlet:
		how := "the kernel's structure of it says so"
		if assumed {
			how = "it has the name of such a program, which is assumed to prove it"
		}
		return "The secure kernel runs it (isolated user mode): " + how + ". The hypervisor keeps its own pages from the system and from an acquisition, which leaves them out or has zeros in their place."
	case nt.OrdinaryProcess:
		return ""
	}
	var none error = &nt.NoPEBError{Process: p.Process}
	return strings.ToUpper(none.Error()[:1]) + none.Error()[1:] + "."
}

// trustlets are programs that come with Windows and that the secure kernel runs, for Credential Guard, the virtual TPM
// and biometric sign-in.
var trustlets = []string{"lsaiso.exe", "vmsp.exe", "bioiso.exe"}

func (p *Process) hasTrustletName() bool {
	return slices.Contains(trustlets, strings.ToLower(p.LongName()))
}

// HasSecureKernel reports whether the system runs with virtualization-based security: then one of its processes stands
// for the secure kernel.
func (im *Image) HasSecureKernel() bool { return im.secureKernel() }

func (im *Image) findSecureKernel() bool {
	processes, _ := im.Processes()
	return slices.ContainsFunc(processes, func(p *Process) bool { return p.IsSecureSystem() })
}

// secureKernelNote says what an image of a system with a secure kernel lacks.
const secureKernelNote = "The system runs with virtualization-based security (process Secure System): the hypervisor keeps the pages of the secure kernel and of the " +
	"programs that it runs from an acquisition on the system, which leaves them out or has zeros in their place. Such zeros cannot be told from others."
