#!/bin/sh
# Builds the small Windows programs that the tests lay out as the loader does and restore.
# Needs mingw-w64 (gcc and binutils for i686 and x86_64) and lld with
# llvm-dlltool. Run it in a directory of its own:
#   build.sh OUTPUT-DIRECTORY
set -eu
src=$(cd "$(dirname "$0")" && pwd)
out=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

flags='-Os -s -nostdlib -ffreestanding -fno-asynchronous-unwind-tables -fno-ident -Wl,--no-insert-timestamp'

for arch in i686 x86_64; do
	case $arch in
	i686) n=32 under=_ machine=i386 ;;
	x86_64) n=64 under= machine=i386:x86-64 ;;
	esac
	cc=$arch-w64-mingw32-gcc
	dlltool=$arch-w64-mingw32-dlltool
	entry="-Wl,-e,${under}start"

	# Import libraries: of ordinals only, and short ones such as lld can delay.
	$dlltool -d "$src/ordinal.def" -l "$tmp/ordinal$n.a" -D ordinal.dll
	llvm-dlltool -k -m $machine -d "$src/late.def" -l "$tmp/late$n.lib"
	llvm-dlltool -k -m $machine -d "$src/kernel$n.def" -l "$tmp/kernel$n.lib"

	$cc $flags $entry -Wl,--dynamicbase -o "$out/reloc$n.exe" "$src/plain.c" "$tmp/ordinal$n.a" -lkernel32
	$cc $flags $entry -Wl,--disable-dynamicbase -Wl,--disable-reloc-section -o "$out/fixed$n.exe" "$src/plain.c" "$tmp/ordinal$n.a" -lkernel32
	$cc $flags $entry -Wl,--dynamicbase -Wl,--image-base,0x2340000 -o "$out/data$n.exe" "$src/data.c" -lkernel32

	# As Microsoft's linker lays programs out: a read-only import address table, delayed imports.
	$cc $flags -c -o "$tmp/delay$n.o" "$src/delay.c"
	lld-link /nologo /timestamp:0 /entry:start /subsystem:console /nodefaultlib /dynamicbase /safeseh:no /delayload:late.dll \
		/out:"$out/delay$n.exe" "$tmp/delay$n.o" "$tmp/late$n.lib" "$tmp/kernel$n.lib"

	# Pointers that the loader fills, which the load configuration names.
	$cc $flags -c -o "$tmp/guard$n.o" "$src/guard.c"
	lld-link /nologo /timestamp:0 /entry:start /subsystem:console /nodefaultlib /dynamicbase /safeseh:no \
		/out:"$out/guard$n.exe" "$tmp/guard$n.o" "$tmp/kernel$n.lib"
done
