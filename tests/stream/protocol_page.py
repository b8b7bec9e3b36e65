#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every message type and key that the run's processes set is in docs/protocol.md, and every key of a frame's header.
Usage: protocol_page.py ROOT"""
import glob
import os
import re
import sys

SETS = re.compile(r'cox_message_(?:set_(?:int|number|text|bytes|ints)|push)\(\s*[^,()]+,\s*"(\w+)"')
MAKES = re.compile(r'(?:cox_message_create|cox_worker_message)\((?:[^()"]*,\s*)?"(\w+)"')
FIELDS = re.compile(r'^    \{"(\w+)", (?:UNSIGNED|SIGNED|REAL)', re.M)


def words_of(text):
    return set(SETS.findall(text)) | set(MAKES.findall(text)) | set(FIELDS.findall(text))


def missing(words, page):
    return sorted(w for w in words if not re.search(rf"\b{w}\b", page))


def main():
    root = sys.argv[1]
    sources = [os.path.join(root, "src", "stream", name) for name in ("producer_thread.c", "collector.c", "frame.c")]
    for folder in ("streaming", "worker"):
        sources += glob.glob(os.path.join(root, "src", "steer", folder, "*.c"))
    sources = [path for path in sources if not os.path.basename(path).startswith("test_")]
    words = set()
    for path in sources:
        with open(path, encoding="utf-8") as file:
            words |= words_of(file.read())
    with open(os.path.join(root, "docs", "protocol.md"), encoding="utf-8") as file:
        page = file.read()
    # a test that can fail: words are found, and one that is not on the page is told
    probe = words_of('cox_message_set_int(m, "no_such_key", 1); cox_worker_message(worker, "nosuchtype");')
    if missing(probe, page) != ["no_such_key", "nosuchtype"] or len(words) < 60 or "sequence" not in words:
        sys.exit(f"the check itself is broken ({len(words)} words)")
    absent = missing(words, page)
    if absent:
        sys.exit("not in docs/protocol.md: " + ", ".join(absent))
    print(f"docs/protocol.md names all {len(words)} words of the protocol")


main()
