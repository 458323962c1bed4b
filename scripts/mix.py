#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""mix.py TREE OUT MIB: collects real content for the pages of the guest's workload.

40% programs and libraries of this machine, 30% C source and 20% text of the
kernel tree, 5% initialised data of those programs and 5% zeroes. Files are
taken in alphabetical order, evenly over the list, a slice from the middle of
each: the same machine and tree give the same bytes.
"""
import glob
import os
import struct
import sys

PAGE = 4096
SLICE = 64 << 10


def plain_files(paths, least):
    return [path for path in sorted(paths)
            if os.path.isfile(path) and not os.path.islink(path)
            and os.path.getsize(path) >= least]


def walk(folder, suffix):
    return [os.path.join(where, name)
            for where, _, names in os.walk(folder)
            for name in names if name.endswith(suffix)]


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(5) == b"\x7fELF\x02"


def take(what, pieces, length):
    """Evenly over PIECES (functions that give bytes) until LENGTH is reached."""
    sizes = max(1, len(pieces) * SLICE // length)
    taken = bytearray()
    # The offset takes what the first round left out, should that not do.
    for offset in range(sizes):
        for piece in pieces[offset::sizes]:
            taken += piece()
            if len(taken) >= length:
                return bytes(taken[:length])
    sys.exit(f"error: only {len(taken) >> 10} of {length >> 10} KiB of {what} on this machine")


def middle(path):
    def read():
        start = max(0, os.path.getsize(path) - SLICE) // 2 // PAGE * PAGE
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(SLICE)
    return read


def written_sections(path):
    """The initialised data of an ELF file: what a process gets writable pages of."""
    def read():
        with open(path, "rb") as file:
            data = file.read()
        order = "<" if data[5] == 1 else ">"
        table, = struct.unpack_from(order + "Q", data, 0x28)
        entry, count = struct.unpack_from(order + "HH", data, 0x3a)
        found = b""
        for index in range(count):
            kind, flags, _, offset, size = struct.unpack_from(
                order + "4xIQQQQ", data, table + index * entry)
            if kind == 1 and flags & 1:     # SHT_PROGBITS, SHF_WRITE
                found += data[offset:offset + size]
        return found[:SLICE]
    return read


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: mix.py TREE OUT MIB")
    tree, out = sys.argv[1:3]
    total = int(sys.argv[3]) << 20
    programs = [path for path in plain_files(
        glob.glob("/usr/bin/*") + glob.glob("/usr/lib/*-linux-gnu/*.so*"), SLICE)
        if is_elf(path)]
    source = plain_files((path for part in ("block", "fs", "kernel", "lib", "mm")
                          for path in walk(os.path.join(tree, part), ".c")), PAGE)
    text = plain_files(walk(os.path.join(tree, "Documentation"), ".rst"), PAGE)

    def share(percent):
        return total * percent // 100 // PAGE * PAGE

    mix = (take("programs", [middle(path) for path in programs], share(40))
           + take("C source", [middle(path) for path in source], share(30))
           + take("text", [middle(path) for path in text], share(20))
           + take("data", [written_sections(path) for path in programs], share(5)))
    mix += bytes(total - len(mix))
    with open(out, "wb") as file:
        file.write(mix)


main()
