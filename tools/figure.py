#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""One chart of a report or comparison page as an SVG file of its own, for the docs.

    tools/figure.py PAGE.html "Best RMSD" docs/chignolin.svg   (the first chart with that title)"""
import re
import sys


def charts(page):
    start = 0
    while (first := page.find("<svg xmlns", start)) >= 0:
        depth = 0
        for tag in re.finditer(r"<svg|</svg>", page[first:]):
            depth += 1 if tag.group() == "<svg" else -1
            if depth == 0:
                start = first + tag.end()
                yield page[first:start]
                break


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        found = [chart for chart in charts(file.read()) if ">" + sys.argv[2] + "<" in chart]
    if not found:
        sys.exit(f"no chart '{sys.argv[2]}' in {sys.argv[1]}")
    chart = found[0].replace("currentColor", "#222")
    head = chart.index(">") + 1
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write('<?xml version="1.0" encoding="UTF-8"?>\n' + chart[:head] +
                  '<rect width="100%" height="100%" fill="#fff"/>' + chart[head:] + "\n")


if __name__ == "__main__":
    main()
