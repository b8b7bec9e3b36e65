#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The house rules that a compiler does not see: lengths, licence lines, banned functions, names,
order of includes, no printing from the library. Usage: check_style.py [ROOT]"""
import os
import re
import sys

MAX_FILE = 600
MAX_FUNCTION = 80
FOLDERS = ("src", "include", "tests", "bench", "fuzz", "examples", "tools", "cmake", ".ci")
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common", "stuff", "tools"}

# Each banned name with its homes (path prefixes) and what to use instead.
BANNED = [
    (r"malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|valloc",
     ("src/base/mem.c",), "base/mem.h"),
    (r"strdup|strndup|asprintf|vasprintf|getline", (), "cox_strdup of base/mem.h, or cox_str"),
    (r"strcpy|stpcpy|strcat|strncat|sprintf|vsprintf|gets", (), "snprintf or base/str.h"),
    (r"atoi|atol|atoll|atof|sscanf|scanf|fscanf", (), "cox_parse_int, cox_parse_double"),
    (r"strtok|strtok_r|rand|srand|random|drand48|tmpnam|mktemp|gmtime|localtime|ctime|asctime|setjmp",
     (), "a re-entrant function, base/rng.h or base/clock.h"),
    (r"system|popen|alloca", (), "posix_spawn or fork and exec with an argument list"),
    (r"exit|abort|quick_exit|err|errx|warn|warnx", ("src/cli/",), "a status and struct cox_err"),
    (r"printf|puts|putchar|vprintf|perror", ("src/cli/",), "a status, cox_log, or cox_str"),
]
STREAMS = re.compile(r"\b(stdout|stderr)\b")
CALL = [(re.compile(r"(?<![\w.>])(" + names + r")\s*\("), homes, instead)
        for names, homes, instead in BANNED]


def files(root):
    for folder in FOLDERS:
        for here, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = sorted(f for f in folders if f != "__pycache__")
            for name in sorted(names):
                yield os.path.relpath(os.path.join(here, name), root)
    for name in ("Makefile", "CMakeLists.txt"):
        if os.path.exists(os.path.join(root, name)):
            yield name


def strip_c(text):
    """Blanks out comments, strings and characters; keeps line breaks and columns."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def check_functions(path, lines, add):
    begin = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin:
            length = number - begin + 1
            if length > MAX_FUNCTION:
                add(begin, f"a function of {length} lines (at most {MAX_FUNCTION})")
            begin = None


def check_banned(path, code, add):
    program = path.startswith(("tests/", "bench/", "fuzz/", "examples/")) or is_test(path)
    for number, line in enumerate(code, 1):
        if line.lstrip().startswith("#"):
            continue
        for pattern, homes, instead in CALL:
            if path.startswith(homes or ("\0",)) or (program and homes):
                continue  # programs print, exit, and may allocate as they like
            for match in pattern.finditer(line):
                if not (program and match.group(1) in ("setjmp", "getline")):
                    add(number, f"{match.group(1)}() is banned here: use {instead}")
        if not program and not path.startswith("src/cli/") and STREAMS.search(line):
            add(number, "only src/cli prints")


def is_test(path):
    return os.path.basename(path).startswith("test_")


def check_includes(root, path, lines, add):
    """A source file's own header comes first, so that it is seen to stand alone."""
    stem, extension = os.path.splitext(path)
    if extension != ".c" or not path.startswith("src/") or is_test(path) or stem.endswith(".isa"):
        return
    name = os.path.basename(stem)
    folder = os.path.dirname(path)[len("src/"):]
    own = {h for h in (f"{folder}/{name}.h", f"cox/{name}.h")
           if os.path.exists(os.path.join(root, "include" if h.startswith("cox/") else "src", h))}
    includes = [(n, m.group(1)) for n, line in enumerate(lines, 1)
                for m in [re.match(r'#include\s+[<"]([^>"]+)', line)] if m]
    if not own or not includes:
        return
    first = includes[0][1]
    # or the module's private header, which includes it first
    inner = first.startswith(folder + "/") and (
        os.path.basename(first).startswith(name + "_") or first.endswith("internal.h"))
    if first not in own and not inner:
        add(includes[0][0], f'the first include must be the file\'s own header "{min(own)}"')


def check_c(root, path, text, add):
    lines = text.split("\n")
    if path.endswith(".h") and not re.search(r"#ifndef COX_\w+_H\n#define COX_\w+_H\n", text):
        add(1, "no include guard COX_…_H")
    if len(lines) - 1 > MAX_FILE:
        add(MAX_FILE, f"a file of {len(lines) - 1} lines (at most {MAX_FILE})")
    if os.path.splitext(os.path.basename(path))[0].replace("test_", "") in VAGUE:
        add(1, "a file's name says what is in it")
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            add(number, "a tab")
        if line != line.rstrip():
            add(number, "blanks at the end of the line")
    code = strip_c(text).split("\n")
    check_functions(path, code, add)
    check_banned(path, code, add)
    check_includes(root, path, lines, add)


def needs_licence(path):
    return path.endswith((".c", ".h", ".cc", ".py", ".sh", ".cmake", "CMakeLists.txt")) or \
        path in ("Makefile", ".ci/run")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    problems = []
    count = 0
    for path in files(root):
        if not needs_licence(path):
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        count += 1

        def add(line, what, path=path):
            problems.append(f"{path}:{line}: {what}")
        if SPDX not in "\n".join(text.split("\n")[:3]):
            add(1, f"no line '{SPDX}' at the top")
        if path.endswith((".c", ".h", ".cc")):
            check_c(root, path, text, add)
    for problem in problems:
        print(problem)
    print(f"style: {count} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
