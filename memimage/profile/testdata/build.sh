#!/bin/sh
# Builds kernel.c for both architectures into the directory given: NAME.exe and its NAME.pdb.
set -e
here=$(dirname "$0")
for arch in x64:x86_64 x86:i686; do
	name=kernel_${arch%%:*}
	clang --driver-mode=cl --target="${arch#*:}-pc-windows-msvc" /nologo /c /Z7 /O1 /GS- "/Fo$1/$name.obj" "$here/kernel.c"
	lld-link /nologo /Brepro /nodefaultlib /subsystem:native /entry:KiSystemStartup /debug "/pdb:$1/$name.pdb" \
		/pdbaltpath:ntkrnlmp.pdb "/out:$1/$name.exe" "$1/$name.obj"
	rm "$1/$name.obj"
done
