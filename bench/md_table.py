#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Puts the figures of bench/results/md.json into bench/md.md, below its line '## Results'."""
import json
import os

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "results", "md.json")) as file:
    data = json.load(file)
page = os.path.join(here, "md.md")
with open(page) as file:
    text = file.read().split("## Results")[0]

lines = ["## Results", "",
         f"{data['cpu']}, {data['engine']}, OpenMM {data['openmm']}, commit {data['commit']}, {data['when'][:16]}Z, "
         f"load average before {data['load_before']:.1f}. Figures: `bench/results/md.json`.", ""]
for system in data["systems"]:
    name = os.path.basename(system["system"]).split(".")[0]
    lines += [f"**{name}**, {system['atoms']} atoms: {system['same_physics_ratio']:.1f} times OpenMM's best at the same "
              f"physics ({system['best_of_openmm_same_physics']}); by CPU time "
              f"{system['same_physics_ratio_by_cpu_time']:.1f}.", "",
              "| | ns/day | by CPU time | force error | the ensemble engine is faster by (least … most) | by CPU time |",
              "|---|---|---|---|---|---|"]
    for r in system["runners"]:
        each = r.get("each_round")
        if each and "ensemble_is_faster_by" in r:
            ratio = f"{r['ensemble_is_faster_by']:.1f} ({min(each):.1f} … {max(each):.1f}) | {r['by_cpu_time']:.1f}"
        elif each:
            ratio = f"(is {r['times_ensemble']:.2f} times it) | ({r['by_cpu_time']:.2f})"
        else:
            ratio = "1 | 1"
        lines.append(f"| {r['name']} | {r['ns_per_day']:,.0f} | {r['ns_per_day_by_cpu_time']:,.0f} | "
                     f"{r['force_error']:.0e} | {ratio} |")
    lines.append("")
with open(page, "w") as file:
    file.write(text.rstrip() + "\n\n" + "\n".join(lines))
