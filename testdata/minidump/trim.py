#!/usr/bin/env python3
"""trim.py IN.dmp OUT.dmp writes a full minidump again without most of its memory: of the images and files that are not the
program's own, the first page is kept alone, and the data of ntdll.dll: the loader has its lists there. The lists of modules, regions and
threads stay as they are."""
import struct
import sys

MODULES, MEMORY64, INFOS = 4, 9, 16
PAGE = 4096

data = open(sys.argv[1], "rb").read()
count, directory = struct.unpack_from("<II", data, 8)
entries = [struct.unpack_from("<III", data, directory + 12 * i) for i in range(count)]
stream = {kind: (size, rva) for kind, size, rva in entries if kind}

bases = {}
for i in range(struct.unpack_from("<I", data, stream[MODULES][1])[0]):
    base, _, _, _, name = struct.unpack_from("<QIIII", data, stream[MODULES][1] + 4 + 108 * i)
    text = data[name + 4 : name + 4 + struct.unpack_from("<I", data, name)[0]].decode("utf-16-le")
    bases[text.split("\\")[-1].lower()] = base
program, ntdll = next(iter(bases.values())), bases["ntdll.dll"]

header, each, infos = struct.unpack_from("<IIQ", data, stream[INFOS][1])
shared = []
for i in range(infos):
    base, allocation, _, _, size, _, protect, kind, _ = struct.unpack_from("<QQIIQIIII", data, stream[INFOS][1] + header + each * i)
    writable = protect & 0xCC != 0
    if kind in (0x40000, 0x1000000) and allocation != program and not (allocation == ntdll and writable):
        shared.append((base, base + size, allocation))

ranges, off = struct.unpack_from("<QQ", data, stream[MEMORY64][1])
start_of_memory = off
kept = []
for i in range(ranges):
    addr, size = struct.unpack_from("<QQ", data, stream[MEMORY64][1] + 16 + 16 * i)
    for page in range(0, size, PAGE):
        if not any(a <= addr + page < b and addr + page != first for a, b, first in shared):
            kept.append((addr + page, off + page, min(PAGE, size - page)))
    off += size

joined = []
for addr, at, size in kept:
    if joined and joined[-1][0] + joined[-1][2] == addr and joined[-1][1] + joined[-1][2] == at:
        joined[-1][2] += size
    else:
        joined.append([addr, at, size])

# The new list lies where the memory began; the directory names it in place of the old one.
out = bytearray(data[:start_of_memory])
table = len(out)
out += struct.pack("<QQ", len(joined), table + 16 + 16 * len(joined))
for addr, _, size in joined:
    out += struct.pack("<QQ", addr, size)
for i, (kind, _, _) in enumerate(entries):
    if kind == MEMORY64:
        struct.pack_into("<III", out, directory + 12 * i, kind, 16 + 16 * len(joined), table)
for _, at, size in joined:
    out += data[at : at + size]
open(sys.argv[2], "wb").write(out)
