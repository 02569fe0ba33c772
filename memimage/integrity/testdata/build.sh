#!/bin/sh
# Builds the small Windows libraries that the tests lay out in memory and change. Needs mingw-w64
# (gcc and binutils for i686 and x86_64). Run it in a directory of its own:
#   build.sh OUTPUT-DIRECTORY
set -eu
src=$(cd "$(dirname "$0")" && pwd)
out=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

flags='-Os -s -shared -nostdlib -ffreestanding -fno-asynchronous-unwind-tables -fno-ident -Wl,--no-insert-timestamp -Wl,--dynamicbase'

for arch in i686 x86_64; do
	case $arch in
	i686) n=32 entry=_start@12 ;;
	x86_64) n=64 entry=start ;;
	esac
	$arch-w64-mingw32-dlltool -d "$src/../../restore/testdata/ordinal.def" -l "$tmp/ordinal$n.a" -D ordinal.dll
	$arch-w64-mingw32-gcc $flags "-Wl,-e,$entry" -o "$out/library$n.dll" "$src/library.c" "$tmp/ordinal$n.a" -lkernel32
done
