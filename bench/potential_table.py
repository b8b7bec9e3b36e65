#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Puts the figures of bench/results/potential.json and potential-training.json into bench/potential.md, below its
line '## Results'."""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    path = os.path.join(HERE, "results", name)
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def where(part):
    machine = part["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in part["deepmd"].items())
    note = f" ({machine['note']})" if machine.get("note") else ""
    return (f"{machine['cpu']}, {machine['cores']} cores, commit {machine['commit']}, {machine['when']}, load average "
            f"before {machine['load_before']:.1f}{note}; {versions}; model: {part['model']}.")


def inference(part):
    runs = part["results"]["runs"]
    lines = [f"### Forces, {runs[0]['isa']}", "", where(part), "",
             "| atoms | precision | embedding | threads | DeePMD-kit, µs/atom | its way | ours, µs/atom | times faster "
             "(least … most) | by CPU time |", "|---|---|---|---|---|---|---|---|---|"]
    for r in runs:
        lines.append(f"| {r['atoms']:,} | {r['precision']} | {'tables' if r['compressed'] else 'nets'} | {r['threads']} | "
                     f"{r['theirs']['us']:.1f} | {r['theirs_way']} | {r['ours']['us']:.1f} | **{r['ratio']:.1f}** "
                     f"({min(r['ratio_each']):.1f} … {max(r['ratio_each']):.1f}) | {r['ratio_cpu']:.1f} |")
    lines += ["", "### Distance to the floor, one thread", "",
              "| atoms | precision | embedding | floor, µs/atom | ours (best turn) | floor / ours | with nets the floor would be | "
              "product, GFLOP/s | tanh, ns | fitting, contraction (nets), MFLOP | list, µs/atom |",
              "|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in runs:
        if "floor_us" in r:
            lines.append(f"| {r['atoms']:,} | {r['precision']} | {'tables' if r['compressed'] else 'nets'} | "
                         f"{r['floor_us']:.1f} | {r['ours']['best_us']:.1f} | {100 * r['of_floor']:.0f} % | "
                         f"{r['nets_floor_us']:.1f} | {r['gemm_gflops']:.1f} | {r['tanh_ns']:.2f} | {r['mflop_fitting']:.2f}, "
                         f"{r['mflop_contraction']:.2f} ({r['mflop_embedding']:.2f}) | {r['list_us']:.2f} |")
    lines += ["", "### Errors against DeePMD-kit in double precision with nets", "",
              "| atoms | precision | embedding | largest of a force, eV/Å: DeePMD-kit (C) | ours | energy, eV/atom: DeePMD-kit (C) | "
              "ours |", "|---|---|---|---|---|---|---|"]
    for r in runs:
        if r["threads"] == 1:
            lines.append(f"| {r['atoms']:,} | {r['precision']} | {'tables' if r['compressed'] else 'nets'} | "
                         f"{r['C_force_error']:.0e} | {r['ours_force_error']:.0e} | {r['C_energy_error_per_atom']:.0e} | "
                         f"{r['ours_energy_error_per_atom']:.0e} |")
    lines += ["", "### From the start of a process to the first force, 192 atoms, ms", "",
              "| | best | median |", "|---|---|---|"]
    names = {"C": "DeePMD-kit, C", "Python": "DeePMD-kit, Python"}
    for name, t in part["results"]["start_up_s"].items():
        lines.append(f"| {names.get(name, name)} | {1e3 * t['best']:.0f} | {1e3 * t['median']:.0f} |")
    lines += ["", "### Memory of the process, MiB", "", "| | after steps | | after steps | |", "|---|---|---|---|---|"]
    for name, m in part["results"]["memory"].items():
        lines.append(f"| {name.replace('theirs', 'DeePMD-kit')} | {m['steps']} | {m['early_mib']:.0f} | {m['late_steps']:,} | "
                     f"{m['late_mib']:.0f} |")
    return lines + [""]


def training_speed(part):
    lines = ["### Training, steps per second", "", where(part), "",
             "| threads | DeePMD-kit | ours | times faster (turns) |", "|---|---|---|---|"]
    for r in part["results"]:
        lines.append(f"| {r['threads']} | {r['theirs_steps_per_s']:.2f} | {r['ours_steps_per_s']:.2f} | **{r['ratio']:.1f}** "
                     f"({', '.join(f'{x:.1f}' for x in r['ratio_each'])}) |")
    return lines + [""]


def training_quality(data):
    lines = ["### Training, errors at equal steps", "", data["what"], "",
             "| | energy, RMSE, meV/atom | force, RMSE, meV/Å | MAE of both | seconds of a processor |", "|---|---|---|---|---|"]
    for name, side in data["sides"].items():
        t = side["test"]
        lines.append(f"| {name} | {1e3 * t['energy_per_atom_rmse']:.3f} | {1e3 * t['force_rmse']:.2f} | "
                     f"{1e3 * t['energy_per_atom_mae']:.3f}, {1e3 * t['force_mae']:.2f} | {side['cpu_seconds']:,.0f} |")
    lines += ["", "Learning curves (validation; force RMSE in meV/Å, energy RMSE in meV/atom):", "",
              "| step | " + " | ".join(f"{name}, force | energy" for name in data["sides"]) + " |",
              "|---|" + "---|---|" * len(data["sides"])]
    curves = {name: {row["step"]: row for row in side["curve"]} for name, side in data["sides"].items()}
    steps = set.intersection(*(set(c) for c in curves.values()))
    last = max(steps)
    for step in sorted(s for s in steps if s % (last // 10) == 0):
        lines.append(f"| {step:,} | " + " | ".join(
            f"{1e3 * c[step]['rmse_f_val']:.0f} | {1e3 * c[step]['rmse_e_val']:.2f}" for c in curves.values()) + " |")
    return lines + [""]


def main():
    page = os.path.join(HERE, "potential.md")
    with open(page) as file:
        text = file.read().split("## Results")[0]
    lines = ["## Results", ""]
    speed, quality = load("potential.json") or {}, load("potential-training.json")
    if "infer" in speed:
        lines += inference(speed["infer"])
    if "train" in speed:
        lines += training_speed(speed["train"])
    if quality:
        lines += training_quality(quality)
    with open(page, "w") as file:
        file.write(text.rstrip() + "\n\n" + "\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
