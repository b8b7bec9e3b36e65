#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""LAYERS holds: no module includes what its line does not name, a third-party header has one home,
public headers include only public headers. Usage: check_layers.py [ROOT]"""
import functools
import os
import re
import sys

# Modules of the public headers that do not bear a module's name.
PUBLIC = {"err": "base", "system": "molecule", "engine": "md"}

# A third-party header and the module that may include it; test programs may include cmocka.
THIRD_PARTY = [
    (r"jansson\.h", "base"),
    (r"(hdf5|H5\w*)\.h", "h5"),
    (r"yaml\.h", "config"),
    (r"(cblas|lapacke?|openblas/.*|cblas_\w+)\.h", "kern"),
    (r"sqlite3\.h", "store"),
    (r"KIM_\w+\.h", "kim"),
    (r"zmq\.h|msgpack.*\.h", "stream"),
    (r"OpenMM.*|lammps/.*", "md"),
]

# Standard C, POSIX and Linux, and the compiler's intrinsics.
SYSTEM = re.compile(
    r"(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|"
    r"stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|"
    r"threads|time|uchar|wchar|wctype|dirent|dlfcn|fcntl|fnmatch|ftw|getopt|glob|grp|libgen|"
    r"netdb|poll|pthread|pwd|regex|sched|semaphore|spawn|strings|syslog|termios|unistd|execinfo|"
    r"(sys|netinet|arpa|linux)/\w+|[a-z]mmintrin|arm_neon|cpuid)\.h|"
    r"cstd\w+|string|vector|exception|memory|map|stdexcept|algorithm"
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def read_layers(path, problems):
    allowed = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            match = re.fullmatch(r"([a-z][a-z0-9_]*):((?: +[a-z][a-z0-9_]*)*)", line)
            if not match:
                problems.append(f"{path}:{number}: not 'module: module …'")
                continue
            name, uses = match.group(1), match.group(2).split()
            for used in uses:
                if used not in allowed:
                    problems.append(f"{path}:{number}: '{name}' names '{used}', which no line above has")
            if name in allowed:
                problems.append(f"{path}:{number}: a second line for '{name}'")
            allowed[name] = set(uses)
    return allowed


def sources(root, folder):
    for here, folders, files in os.walk(os.path.join(root, folder)):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            if name.endswith((".c", ".h", ".cc", ".inc")):
                yield os.path.relpath(os.path.join(here, name), root)


def includes(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        text = file.read()
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


@functools.lru_cache
def program_headers(root):
    return {os.path.basename(p): True for folder in ("tests", "bench", "fuzz")
            for p in sources(root, folder) if p.endswith(".h")}


def owner_of(include, allowed):
    """The module that a quoted include belongs to, None when there is none."""
    parts = include.split("/")
    if parts[0] == "cox":
        stem = os.path.splitext(parts[-1])[0]
        return PUBLIC.get(stem, stem if stem in allowed else None)
    return parts[0] if parts[0] in allowed and len(parts) > 1 else None


def check_system(path, module, include, is_test):
    for pattern, home in THIRD_PARTY:
        if re.fullmatch(pattern, include):
            if module is None and include.startswith(("OpenMM", "KIM_")):
                return None  # an oracle of tests and benches; a simulator for our KIM driver
            if module != home:
                return f"<{include}> belongs to module '{home}' alone"
            return None
    if include == "cmocka.h":
        return None if is_test else "only test programs include <cmocka.h>"
    if not SYSTEM.fullmatch(include):
        return f"<{include}> is neither standard nor known to tools/check_layers.py"
    return None


def check_quoted(root, path, module, include, allowed):
    beside = os.path.join(root, os.path.dirname(path), include)
    if module is None and (os.path.exists(beside) or program_headers(root).get(include)):
        return None  # a header of the tests or benches themselves
    if ".." in include.split("/") or "/" not in include:
        return f'"{include}" is not written from src/'
    base = "include" if include.startswith("cox/") else "src"
    if not os.path.exists(os.path.join(root, base, include)):
        return f'"{include}" does not exist in {base}/'
    owner = owner_of(include, allowed)
    if owner is None:
        return f'"{include}" belongs to no line of LAYERS'
    if module == "public":
        return None if base == "include" else f'a public header includes "{include}", which is private'
    if module is not None and owner != module and owner not in allowed[module]:
        names = " ".join(sorted(allowed[module])) or "nothing"
        return f'\'{module}\' may not include "{include}" (it may use: {names})'
    return None


def check_file(root, path, allowed, problems):
    parts = path.split("/")
    module = None  # tests, benches and fuzzers may use all
    if parts[0] == "src":
        module = parts[1] if len(parts) > 2 else ""
        if module not in allowed:
            problems.append(f"{path}:1: folder '{module}' has no line in LAYERS")
            return
    elif parts[0] in ("include", "examples"):
        module = "public"
    is_test = parts[0] == "tests" or parts[-1].startswith(("test_", "testing"))
    for line, kind, include in includes(root, path):
        if kind == '"':
            problem = check_quoted(root, path, module, include, allowed)
        elif include.startswith("cox/"):
            # as a user of the library writes it
            problem = None if parts[0] == "examples" else f'write "{include}"'
        else:
            problem = check_system(path, module, include, is_test)
        if problem:
            problems.append(f"{path}:{line}: {problem}")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    problems = []
    allowed = read_layers(os.path.join(root, "LAYERS"), problems)
    count = 0
    for folder in ("src", "include", "tests", "bench", "fuzz", "examples"):
        for path in sources(root, folder):
            check_file(root, path, allowed, problems)
            count += 1
    for problem in problems:
        print(problem)
    print(f"layers: {count} files, {len(allowed)} modules, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
