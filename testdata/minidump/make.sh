#!/usr/bin/env bash
# Makes small.exe and small.dmp.xz anew: a program, and the minidump that Wine's dbghelp writes of it while it runs. Needs Wine
# (Debian's wine), gcc-mingw-w64, Python and xz. The dump is trimmed: trim.py says how.
set -euo pipefail
cd "$(dirname "$0")"
work=/tmp/small-dump # the dump has it in paths
mkdir "$work"
trap 'sleep 5; rm -rf "$work"' EXIT # Wine's server ends after its programs
x86_64-w64-mingw32-gcc -O1 -s dump.c -o "$work/dump.exe" -ldbghelp
x86_64-w64-mingw32-gcc -Os -s -nostdlib -fno-builtin -Wl,-e,start,--dynamicbase,--no-insert-timestamp,--image-base,0x140000000 small.c -o small.exe -lkernel32
cp small.exe "$work"
(cd "$work" && WINEPREFIX="$work/prefix" WINEDEBUG=-all DISPLAY= wine dump.exe full.dmp small.exe)
python3 trim.py "$work/full.dmp" "$work/small.dmp"
xz -9e --force --keep "$work/small.dmp"
mv "$work/small.dmp.xz" small.dmp.xz
