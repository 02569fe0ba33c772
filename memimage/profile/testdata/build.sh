#!/bin/sh
# Builds kernel.c for both architectures into the directory given: NAME.exe and its NAME.pdb. Whoever builds them, and
# where, does not show in them: the compiler and the linker name files without their folder, and are told that it is /build.
set -e
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp "$(dirname "$0")/kernel.c" "$work"
out=$(cd "$1" && pwd)
cd "$work"
for arch in x64:x86_64 x86:i686; do
	name=kernel_${arch%%:*}
	clang --driver-mode=cl --target="${arch#*:}-pc-windows-msvc" /nologo /c /Z7 /O1 /GS- \
		/clang:-ffile-compilation-dir=/build -Xclang "-object-file-name=/build/$name.obj" "/Fo$name.obj" kernel.c
	lld-link /nologo /Brepro /nodefaultlib /subsystem:native /entry:KiSystemStartup /debug "/pdb:$name.pdb" \
		/pdbaltpath:ntkrnlmp.pdb /pdbsourcepath:/build "/out:$name.exe" "$name.obj"
	mv "$name.exe" "$name.pdb" "$out"
done
