# SPDX-License-Identifier: BSD-3-Clause
"""Densities and their errors from the blocks that in.ions wrote. Plain python3."""
import math

AVOGADRO = 0.602214076
SCALED = 24    # bins of profile.csv
INSIDE = 0.85  # of an ion's radius: nearer to the wall than that WCA is 18 kT and more, nobody is there


def blocks(path, columns):
    """fix ave/chunk's file: per block the list of rows, each the columns asked for."""
    out, rows, left = [], None, 0
    with open(path) as file:
        for line in file:
            if line.startswith("#"):
                continue
            words = line.split()
            if left == 0:
                rows, left = [], int(words[1])
                out.append(rows)
            else:
                rows.append([float(words[c]) for c in columns])
                left -= 1
    if left:
        raise ValueError(f"'{path}' ends within a block")
    return out


def inefficiency(series):
    """Statistical inefficiency g of several series of one length that decay alike: an average over n values is as
    good as n / g independent ones. Autocovariances are averaged over the series, then summed until two neighbours'
    sum is no longer positive (Geyer's initial positive sequence)."""
    n = len(series[0])
    means = [sum(s) / n for s in series]
    centred = [[x - m for x in s] for s, m in zip(series, means)]

    def covariance(lag):
        return sum(sum(a * b for a, b in zip(s, s[lag:])) for s in centred) / n

    zero = covariance(0)
    if zero <= 0:
        return 1.0
    total, lag = 1.0, 1
    while lag + 1 < n // 3:
        pair = covariance(lag) / zero + covariance(lag + 1) / zero
        if pair <= 0:
            break
        total += 2 * pair
        lag += 2
    # the mean taken from the same n values makes each covariance too small by g/n of the variance
    return max(1.0, total / (1 - min(0.5, total / n)))


def estimate(series, g):
    n = len(series)
    mean = sum(series) / n
    variance = sum((x - mean) ** 2 for x in series) / (n - 1)
    return mean, math.sqrt(max(g, 1.0) * variance / n)


def rebin(counts, width, edges):
    """Counts of bins [0, width), [width, 2 width), … shared out to those between edges, evenly within a bin."""
    cumulative = [0.0]
    for c in counts:
        cumulative.append(cumulative[-1] + c)

    def upto(x):
        at = min(max(x / width, 0.0), len(counts) - 1e-12)
        i = int(at)
        return cumulative[i] + (at - i) * counts[i]

    values = [upto(x) for x in edges]
    return [b - a for a, b in zip(values, values[1:])]


def species(p, name, total):
    """Per block the counts of all bins from the lower wall to the upper, checked: no ion is missing."""
    out = []
    for segment in range(p["equilibration_segments"] + 1, p["segments"] + 1):
        for rows in blocks(f"parts/{name}.{segment}", (2,)):
            counts = [row[0] for row in rows]
            if abs(sum(counts) - total) > 1e-6 * max(1, total):
                raise ValueError(f"parts/{name}.{segment}: {sum(counts):g} of {total} ions: some have left the slit")
            out.append(counts)
    return out


def pooled(columns):
    """g for each series: that of all of them together; columns that hold nothing do not take part."""
    busy = [c for c in columns if max(c) > 0]
    return inefficiency(busy) if busy else 1.0


def transpose(rows):
    return [list(column) for column in zip(*rows)]


def measure(p):
    """(result, tables by file name)."""
    area, width, half = p["side_nm"] ** 2, p["bin_nm"], p["h_nm"] / 2
    inner = half - INSIDE * min(p["dp_nm"], p["dm_nm"]) / 2  # the scaled coordinate's 1
    result = {"h_nm": p["h_nm"], "c_M": p["anions" if p["sigma_C_m2"] <= 0 else "cations"] / (AVOGADRO * area * p["h_nm"])}
    if p["sigma_C_m2"] > 0 and p["zp"]:
        result["c_M"] *= p["zp"] / -p["zm"]
    net = p["zp"] * p["cations"] + p["zm"] * p["anions"]
    result["sigma_C_m2"] = -net / 2 / area * 0.1602176634
    result.update({key: p[key] for key in ("zp", "zm", "dp_nm", "dm_nm", "side_nm", "cations", "anions", "seed")})
    fine, scaled, number = {}, {}, 0
    for name in ("cation", "anion"):
        counts = species(p, name, p[name + "s"])
        number = len(counts)
        unit = 1 / (area * width * AVOGADRO)
        columns = transpose(counts)
        g = pooled(columns)
        fine[name] = [[unit * v for v in estimate(c, g)] for c in columns]
        n = len(columns)
        folded = [[(row[n // 2 + i] + row[n // 2 - 1 - i]) / 2 for i in range(n // 2)] for row in counts]
        columns = transpose(folded)
        g_folded = pooled(columns)
        profile = [[unit * v for v in estimate(c, g_folded)] for c in columns]
        edges = [inner * i / SCALED for i in range(SCALED + 1)]
        rows = [rebin(row, width, edges) for row in folded]
        columns = transpose(rows)
        g_scaled = pooled(columns)
        unit = 1 / (area * (inner / SCALED) * AVOGADRO)
        scaled[name] = [[unit * v for v in estimate(c, g_scaled)] for c in columns]
        # The peak: the highest bin of the folded profile, at the wall for most systems.
        peak = max(range(len(profile)), key=lambda i: profile[i][0])
        result[f"peak_{name}_M"], result[f"peak_{name}_error_M"] = profile[peak]
        result[f"peak_{name}_nm"] = (peak + 0.5) * width
        middle = [sum(rebin(row, width, (0.0, 0.1 * half))) / (area * 0.1 * half * AVOGADRO) for row in folded]
        result[f"mid_{name}_M"], result[f"mid_{name}_error_M"] = estimate(middle, inefficiency([middle]))
        result[f"inefficiency_{name}"] = g_scaled
    walls = []
    for segment in range(p["equilibration_segments"] + 1, p["segments"] + 1):
        with open(f"parts/wall.{segment}") as file:
            walls += [[float(w) for w in line.split()[1:]] for line in file if not line.startswith("#")]
    for name, low in (("cation", 0), ("anion", 2)):
        # kT times the density that a hard wall would have at contact is the force on it per area.
        contact = [(row[low + 1] - row[low]) / 2 / area / AVOGADRO for row in walls]
        g = pooled([[-row[low] for row in walls], [row[low + 1] for row in walls]])
        result[f"contact_{name}_M"], result[f"contact_{name}_error_M"] = estimate(contact, g)
    heat = [row[4] for row in walls]
    result["temperature"], result["temperature_error"] = estimate(heat, inefficiency([heat]))
    result.update(blocks=number, block_steps=p["block"], timestep=p["timestep"] * p["multiple"])
    bins = len(fine["cation"])
    tables = {"density.csv": table("z_nm", [(i + 0.5 - bins / 2) * width for i in range(bins)], fine),
              "profile.csv": table("u", [(i + 0.5) / SCALED for i in range(SCALED)], scaled)}
    return result, tables


def table(label, coordinate, columns):
    lines = [f"{label},cation_M,cation_err_M,anion_M,anion_err_M"]
    for x, (c, ce), (a, ae) in zip(coordinate, columns["cation"], columns["anion"]):
        lines.append(f"{x:.6g},{c:.6g},{ce:.4g},{a:.6g},{ae:.4g}")
    return "\n".join(lines) + "\n"
