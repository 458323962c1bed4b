#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""amend.py FILE NUMBER: gives what was edited in a new file of the kernel to one commit of the series.

FILE, for example mm/swap_compress.c, has its final form here, and later commits add to it. Its edits are what differs from
the last commit of this repository. They are made in the state that commit NUMBER of bases/series leaves and in all later
states, and the parts of the patches about FILE are written anew, on every base that has them."""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BASES = os.path.join(ROOT, "bases")


def fail(text):
    sys.exit(f"error: {text}")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def write(text, *path):
    path = os.path.join(*path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def git(*arguments, text=None, folder=ROOT, ok=(0,)):
    done = subprocess.run(["git", *arguments], cwd=folder, input=text, capture_output=True, text=True, check=False)
    if done.returncode not in ok:
        fail(f"git {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def parts(patch):
    """The message of a patch, and its part about each file."""
    found = re.split(r"^(?=diff --git )", patch, flags=re.M)
    return found[0], found[1:]


def part_of(patch, name):
    return next((part for part in parts(patch)[1] if part.startswith(f"diff --git a/{name} ")), None)


class Edit:
    """The states of a file, before its edits and after."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.old, self.new = git("show", f"HEAD:{name}"), read(ROOT, name)

    def without(self, text, part):
        write(text, self.folder, self.name)
        git("apply", "-R", "--whitespace=nowarn", "-", text=part, folder=self.folder)
        return read(self.folder, self.name)

    def edited(self, text):
        for name, content in (("state", text), ("old", self.old), ("new", self.new)):
            write(content, self.folder, "merge", name)
        files = [f"merge/{name}" for name in ("state", "old", "new")]
        merged = git("merge-file", "-p", "--diff3", *files, folder=self.folder, ok=range(128))
        if "<<<<<<<" in merged:
            start = merged.index("<<<<<<<")
            fail(f"a later commit changes the same lines, or lines beside them; move the edit, or change the patch by hand:\n"
                 f"{merged[start:start + 1500]}")
        return merged

    def diff(self, before, after):
        for side, text in (("a", before), ("b", after)):
            write(text, self.folder, side, self.name)
        text = git("diff", "--no-index", "--no-prefix", f"a/{self.name}", f"b/{self.name}", folder=self.folder, ok=(0, 1))
        return re.sub(r"^index .*\n", "", text, flags=re.M)


def replace_part(path, name, part):
    message, others = parts(read(path))
    others = [other for other in others if not other.startswith(f"diff --git a/{name} ")]
    changes = "".join(sorted(others + [part] if part else others, key=lambda other: other.split()[2]))
    message = message[:message.index("\n---\n") + 5]
    write(f"{message}{git('apply', '--stat', '-', text=changes)}\n{changes}", path)


def main():
    if len(sys.argv) != 3 or not sys.argv[2].isdigit():
        fail(f"usage: {os.path.relpath(sys.argv[0])} FILE NUMBER")
    name, number = sys.argv[1], int(sys.argv[2])
    series = [line.split() for line in read(BASES, "series").splitlines() if line and line[0] != "#"]
    brings = next((words[0] for words in series if name in words[1:]), None)
    if not brings:
        fail(f"no line of bases/series brings {name}")
    if int(brings[:4]) > number or number > len(series):
        fail(f"give the number of a commit from {int(brings[:4])}, which brings {name}, to {len(series)}")
    # The base from which the others take what is the same has every patch.
    patches = {words[0]: read(BASES, "6.18", words[0]) for words in series}
    with tempfile.TemporaryDirectory() as folder:
        edit = Edit(name, folder)
        states, text = {}, edit.old
        for patch in reversed(patches):
            states[patch] = text
            part = part_of(patches[patch], name)
            text = edit.without(text, part) if part else text
        before = text
        for patch, content in patches.items():
            if int(patch[:4]) < int(brings[:4]):
                continue
            after = edit.edited(states[patch]) if int(patch[:4]) >= number else states[patch]
            part = None if patch == brings or before == after else edit.diff(before, after)
            if part != part_of(content, name):
                for base in sorted(os.listdir(BASES)):
                    path = os.path.join(BASES, base, patch)
                    if os.path.exists(path):
                        replace_part(path, name, part)
                        print(os.path.relpath(path, ROOT))
            before = after
    if before != edit.new:
        fail("the patches do not lead to the file as it is; nothing is wrong with it, but with this script")


main()
