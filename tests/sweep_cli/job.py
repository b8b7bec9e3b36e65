# SPDX-License-Identifier: BSD-3-Clause
"""A job whose answer is known: y = sin(2 a) + b²/2 and a profile of nine values. In one corner it fails."""
import json
import math
import sys

a, b, kind = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
if a > 1.9 and b > 1.9:
    sys.exit("this corner is out of bounds")
y = math.sin(2 * a) + b * b / 2 + (kind == "high")
profile = [y * math.cos(0.2 * k) for k in range(9)]
with open("out.json", "w") as file:
    json.dump({"y": {"mean": y, "error": 0.01}, "profile": profile}, file)
