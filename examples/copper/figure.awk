# SPDX-License-Identifier: BSD-3-Clause
# Stress against strain as SVG: awk -f figure.awk pull-eam.txt pull-dp.txt > FILE.svg
FNR == 1 { n++ }
/^#/ { next }
{
    k = ++points[n]
    x[n, k] = 100 * $2
    y[n, k] = $3
    if (x[n, k] > right) right = x[n, k]
    if (y[n, k] > top) top = y[n, k]
    if (y[n, k] < bottom) bottom = y[n, k]
}
function px(v) { return 60 + 540 * v / right }
function py(v) { return 340 - 300 * (v - bottom) / (top - bottom) }
END {
    split("EAM (Mishin et al. 2001)|Deep Potential, in LAMMPS through KIM", name, "|")
    split("#6b6b6b #c1440e", colour, " ")
    right = int(right + .999); top = int(top + 1); bottom = int(bottom - (bottom < 0))
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 400\" font-family=\"sans-serif\" font-size=\"12\">"
    print "<rect width=\"640\" height=\"400\" fill=\"#fff\"/>"
    for (v = bottom; v <= top; v++) {
        printf "<line x1=\"60\" x2=\"600\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>", py(v), py(v)
        printf "<text x=\"52\" y=\"%.1f\" text-anchor=\"end\">%d</text>\n", py(v) + 4, v
    }
    step = right > 8 ? 2 : 1
    for (v = 0; v <= right; v += step)
        printf "<text x=\"%.1f\" y=\"358\" text-anchor=\"middle\">%d</text>\n", px(v), v
    for (i = 1; i <= n; i++) {
        printf "<polyline fill=\"none\" stroke-width=\"1.8\" stroke=\"%s\" points=\"", colour[i]
        for (k = 1; k <= points[i]; k++)
            printf "%.1f,%.1f ", px(x[i, k]), py(y[i, k])
        print "\"/>"
        printf "<line x1=\"80\" x2=\"104\" y1=\"%d\" y2=\"%d\" stroke-width=\"1.8\" stroke=\"%s\"/>", 28 + 18 * i, 28 + 18 * i, colour[i]
        printf "<text x=\"110\" y=\"%d\">%s</text>\n", 32 + 18 * i, name[i]
    }
    print "<text x=\"330\" y=\"384\" text-anchor=\"middle\">strain, %</text>"
    print "<text x=\"18\" y=\"190\" text-anchor=\"middle\" transform=\"rotate(-90 18 190)\">stress along z, GPa</text>"
    print "<text x=\"330\" y=\"20\" text-anchor=\"middle\" font-weight=\"bold\">Nanocrystalline copper, pulled</text>"
    print "</svg>"
}
