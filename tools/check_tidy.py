#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""clang-tidy (.clang-tidy) on the C files of src/, without the tests (the analyzer does not know that
cmocka's assertions do not return). Usage: check_tidy.py BUILD [--changed] [--limit
SECONDS] [--jobs N] [--root ROOT] [FILE…]

--changed: only files that differ from the last commit of main, or are new. --limit: stops starting
files after so many seconds and says how many were left out. Exit 77 when there is no clang-tidy."""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time


def changed_files(root):
    def git(*words):
        done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True)
        return done.stdout.split("\n") if done.returncode == 0 else []
    base = git("merge-base", "HEAD", "origin/main") or git("rev-parse", "HEAD~1")
    names = git("diff", "--name-only", base[0]) if base and base[0] else []
    names += git("ls-files", "--others", "--exclude-standard")
    return {os.path.realpath(os.path.join(root, n)) for n in names if n}


def select(root, build, options):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    source = os.path.realpath(os.path.join(root, "src")) + os.sep
    # once per file, though kernels are compiled once per instruction set
    names = {os.path.realpath(os.path.join(e["directory"], e["file"])) for e in entries}
    names = {n for n in names if n.startswith(source) and os.path.exists(n)
             and not os.path.basename(n).startswith("test_")
             # the analyzer takes the unrolled rows of a kernel for branches that may be skipped
             and not n.endswith(".isa.c")}
    if options.files:
        names &= {os.path.realpath(f) for f in options.files}
    if options.changed:
        names &= changed_files(root)
    return sorted(names)


def check(build, name):
    # the commands are gcc's: clang does not know all of its warnings
    done = subprocess.run(["clang-tidy", "-p", build, "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                           name], capture_output=True, text=True)
    return done.returncode, done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("--limit", type=float, default=1e9)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    options = parser.parse_intermixed_args()
    if not shutil.which("clang-tidy"):
        print("tidy: skipped, no clang-tidy")
        return 77
    names = select(options.root, options.build, options)
    began = time.monotonic()
    failed = []
    left_out = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        def work(name):
            if time.monotonic() - began > options.limit:
                return None
            return check(options.build, name)
        for name, result in zip(names, pool.map(work, names)):
            if result is None:
                left_out += 1
            elif result[0]:
                failed.append(name)
                print(result[1].rstrip())
    print(f"tidy: {len(names) - left_out} files, {len(failed)} with problems, {left_out} left out for "
          f"time, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
