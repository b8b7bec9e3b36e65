#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Each lint must refuse what it is there to refuse, and accept the same tree without it.
Usage: test_lints.py ROOT"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

SPDX = "/* SPDX-License-Identifier: BSD-3-Clause */\n"


def header(guard, text=""):
    return f"{SPDX}#ifndef {guard}\n#define {guard}\n{text}#endif\n"


GOOD = {
    "LAYERS": "# the walls\nbase:\nkern: base\nnn: base kern\n",
    "CMakeLists.txt": "# SPDX-License-Identifier: BSD-3-Clause\n",
    "include/cox/err.h": header("COX_ERR_H", "int cox_err(void);\n"),
    "src/base/mem.h": header("COX_BASE_MEM_H", "int cox_mem(void);\n"),
    "src/base/mem.c": SPDX + '#include "base/mem.h"\n\n#include <stdlib.h>\n\nint cox_mem(void)\n{\n'
                             "    free(0);\n    return 0;\n}\n",
    "src/kern/gemm.h": header("COX_KERN_GEMM_H", "int cox_gemm(void);\n"),
    "src/kern/gemm.c": SPDX + '#include "kern/gemm.h"\n\n#include <cblas.h>\n\n#include "base/mem.h"\n'
                              '#include "cox/err.h"\n\nint cox_gemm(void)\n{\n    return cox_mem();\n}\n',
    "src/nn/dense.c": SPDX + '#include "kern/gemm.h"\n\nint cox_dense(void);\n\nint cox_dense(void)\n{\n'
                             "    return cox_gemm(); /* printf(\"free\") */\n}\n",
    "src/cli/main.c": SPDX + "#include <stdio.h>\n\nint main(void)\n{\n    puts(\"\");\n    return 0;\n}\n",
}
GOOD["LAYERS"] += "cli: base kern nn\n"


def body(line, include=""):
    return f"{SPDX}#include <stdlib.h>\n{include}\nint cox_x(void);\n\nint cox_x(void)\n{{\n    {line}\n    return 0;\n}}\n"


LONG_FUNCTION = SPDX + "int cox_x(void);\n\nint cox_x(void)\n{\n" + "    ;\n" * 90 + "    return 0;\n}\n"

# lint, file, content, what the lint must say
CASES = [
    ("layers", "src/base/x.c", SPDX + '#include "kern/gemm.h"\n', "'base' may not include \"kern/gemm.h\""),
    ("layers", "src/nn/x.c", SPDX + "#include <cblas.h>\n", "<cblas.h> belongs to module 'kern' alone"),
    ("layers", "src/nn/x.c", SPDX + "#  include <yaml.h>\n", "<yaml.h> belongs to module 'config' alone"),
    ("layers", "src/nn/x.c", SPDX + '#include "gemm.h"\n', "is not written from src/"),
    ("layers", "src/nn/x.c", SPDX + '#include "../kern/gemm.h"\n', "is not written from src/"),
    ("layers", "src/nn/x.c", SPDX + '#include "kern/none.h"\n', "does not exist"),
    ("layers", "src/nn/x.c", SPDX + "#include <fftw3.h>\n", "neither standard nor known"),
    ("layers", "src/nn/x.c", SPDX + "#include <cmocka.h>\n", "only test programs"),
    ("layers", "src/other/x.c", SPDX, "has no line in LAYERS"),
    ("layers", "include/cox/x.h", header("COX_X_H", '#include "base/mem.h"\n'), "a public header includes"),
    ("layers", "examples/embed/x.c", SPDX + '#include "base/mem.h"\n', "a public header includes"),
    ("layers", "LAYERS", "base: kern\nkern: base\nnn: base kern\ncli: base\n", "'base' names 'kern'"),
    ("layers", "LAYERS", GOOD["LAYERS"] + "base:\n", "a second line for 'base'"),
    ("style", "src/nn/x.c", "int x;\n", "no line 'SPDX"),
    ("style", "src/nn/x.c", SPDX + "int x;\n" * 600, "a file of 601 lines"),
    ("style", "src/nn/x.c", LONG_FUNCTION, "a function of 93 lines"),
    ("style", "src/nn/utils.c", SPDX, "a file's name says what is in it"),
    ("style", "src/nn/x.h", SPDX + "int x;\n", "no include guard"),
    ("style", "src/nn/x.c", body("free(malloc(1));"), "malloc() is banned here"),
    ("style", "src/nn/x.c", body("exit (1);"), "exit() is banned here"),
    ("style", "src/nn/x.c", body("printf(\"x\");"), "printf() is banned here"),
    ("style", "src/nn/x.c", body("fprintf(stderr, \"x\");"), "only src/cli prints"),
    ("style", "src/cli/x.c", body("strcpy(a, b);"), "strcpy() is banned here"),
    ("style", "src/nn/test_x.c", body("sprintf(a, b);"), "sprintf() is banned here"),
    ("style", "src/base/x.c", body("return atoi(\"1\");"), "atoi() is banned here"),
    ("style", "src/kern/gemm.c", SPDX + '#include "base/mem.h"\n#include "kern/gemm.h"\n',
     "the first include must be the file's own header"),
    ("style", "src/nn/x.c", body("\treturn 1;"), "a tab"),
    ("style", "src/nn/x.c", body("return 1; "), "blanks at the end"),
    ("format", "src/nn/x.c", SPDX + "int  x ;\n", "clang-format"),
    ("headers", "include/cox/x.h", header("COX_X_H", "size_t cox_x(void);\n"), "does not compile alone"),
    ("tidy", "src/nn/x.c", SPDX + "int cox_x(int a);\n\nint cox_x(int a)\n{\n    if (a == a)\n"
                                  "        return 1;\n    return 10 / (a - a);\n}\n", "misc-redundant-expression"),
]

COMMANDS = {
    "layers": ["tools/check_layers.py", "{tree}"],
    "style": ["tools/check_style.py", "{tree}"],
    "format": ["tools/check_format.sh", "{tree}"],
    "headers": ["tools/check_headers.sh", "{tree}"],
    "tidy": ["tools/check_tidy.py", "{tree}", "--root", "{tree}"],
}
PROGRAM = {"format": "clang-format", "tidy": "clang-tidy"}


def plant(tree, files):
    for path, text in files.items():
        where = os.path.join(tree, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w", encoding="utf-8") as file:
            file.write(text)


def run(root, lint, files):
    """The lint's exit status and words on a tree of these files."""
    with tempfile.TemporaryDirectory(prefix="cox-lint-") as tree:
        plant(tree, files)
        for dot in (".clang-format", ".clang-tidy"):
            shutil.copy(os.path.join(root, dot), tree)
        commands = [{"directory": tree, "file": path, "command": f"cc -Isrc -Iinclude -c {path}"}
                    for path in files if path.endswith(".c")]
        plant(tree, {"compile_commands.json": json.dumps(commands)})
        words = [w.format(tree=tree) for w in COMMANDS[lint]]
        words[0] = os.path.join(root, words[0])
        if words[0].endswith(".py"):
            words.insert(0, sys.executable)
        done = subprocess.run(words, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


def main():
    root = os.path.abspath(sys.argv[1])
    failures = 0
    count = 0
    for lint in COMMANDS:
        if lint in PROGRAM and not shutil.which(PROGRAM[lint]):
            print(f"{lint}: skipped, no {PROGRAM[lint]}")
            continue
        # clang-tidy needs no headers that a machine may lack
        good = GOOD if lint != "tidy" else {"src/nn/y.c": SPDX + "int cox_y;\n"}
        status, words = run(root, lint, good)
        if status:
            failures += 1
            print(f"{lint} refuses a good tree:\n{words}")
        for name, path, text, expected in CASES:
            if name != lint:
                continue
            count += 1
            status, words = run(root, lint, {**good, path: text})
            if status != 1 and not (status > 1 and lint == "format") or expected not in words:
                failures += 1
                print(f"{lint} with {path}: wanted 1 and '{expected}', got {status}:\n{words}")
    print(f"lints: {count} cases that must be refused, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
