/* SPDX-License-Identifier: BSD-3-Clause */
/* Bond lengths and angles after Engh and Huber, Acta Cryst. A47, 392 (1991), rounded; rotamers
 * after the usual staggered ones. They are a start for minimisation, not a library. */
#include "molecule/geometry.h"

#include <math.h>
#include <string.h>

#define T 180
#define G 60
#define M (-60)

/* L amino acids: seen along N-CA, CB stands 121° before C. */
#define CB                                           \
    {                                                \
        "CB", "CA", "N", "C", 0.1530, 110.5, 0, -121 \
    }
#define CG(length, angle)                          \
    {                                              \
        "CG", "CB", "CA", "N", length, angle, 1, 0 \
    }

static const struct cox_side_chain table[] = {
    {"GLY", {{0}}, 0, 0, {{0}}},
    {"ALA", {CB}, 0, 0, {{0}}},
    {"SER", {CB, {"OG", "CB", "CA", "N", 0.1417, 111.1, 1, 0}}, 0, 1, {{G, M, T}}},
    {"CYS", {CB, {"SG", "CB", "CA", "N", 0.1808, 114.4, 1, 0}}, 0, 1, {{M, T, G}}},
    {"THR",
     {CB,
      {"OG1", "CB", "CA", "N", 0.1433, 109.6, 1, 0},
      {"CG2", "CB", "CA", "N", 0.1521, 110.5, 1, -120}},
     0,
     1,
     {{G, M, T}}},
    {"VAL",
     {CB,
      {"CG1", "CB", "CA", "N", 0.1521, 110.5, 1, 0},
      {"CG2", "CB", "CA", "N", 0.1521, 110.5, 1, 122}},
     0,
     1,
     {{T, M, G}}},
    {"ILE",
     {CB,
      {"CG1", "CB", "CA", "N", 0.1530, 110.4, 1, 0},
      {"CG2", "CB", "CA", "N", 0.1521, 110.5, 1, -122},
      {"CD1", "CG1", "CB", "CA", 0.1513, 113.8, 2, 0}},
     0,
     2,
     {{M, G, T}, {T, M, G}}},
    {"LEU",
     {CB,
      CG(0.1530, 116.3),
      {"CD1", "CG", "CB", "CA", 0.1521, 110.7, 2, 0},
      {"CD2", "CG", "CB", "CA", 0.1521, 110.7, 2, 122}},
     0,
     2,
     {{M, T, G}, {T, G, M}}},
    {"ASP",
     {CB,
      CG(0.1516, 112.6),
      {"OD1", "CG", "CB", "CA", 0.1249, 118.4, 2, 0},
      {"OD2", "CG", "CB", "CA", 0.1249, 118.4, 2, 180}},
     0,
     2,
     {{M, T, G}, {-20, 30, 80}}},
    {"ASN",
     {CB,
      CG(0.1516, 112.6),
      {"OD1", "CG", "CB", "CA", 0.1231, 120.8, 2, 0},
      {"ND2", "CG", "CB", "CA", 0.1328, 116.4, 2, 180}},
     0,
     2,
     {{M, T, G}, {-20, 30, 80}}},
    {"GLU",
     {CB,
      CG(0.1520, 114.1),
      {"CD", "CG", "CB", "CA", 0.1516, 112.6, 2, 0},
      {"OE1", "CD", "CG", "CB", 0.1249, 118.4, 3, 0},
      {"OE2", "CD", "CG", "CB", 0.1249, 118.4, 3, 180}},
     0,
     3,
     {{M, T, G}, {T, M, G}, {0, 60, -60}}},
    {"GLN",
     {CB,
      CG(0.1520, 114.1),
      {"CD", "CG", "CB", "CA", 0.1516, 112.6, 2, 0},
      {"OE1", "CD", "CG", "CB", 0.1231, 120.8, 3, 0},
      {"NE2", "CD", "CG", "CB", 0.1328, 116.4, 3, 180}},
     0,
     3,
     {{M, T, G}, {T, M, G}, {0, 60, -60}}},
    {"MET",
     {CB,
      CG(0.1520, 114.1),
      {"SD", "CG", "CB", "CA", 0.1803, 112.7, 2, 0},
      {"CE", "SD", "CG", "CB", 0.1791, 100.9, 3, 0}},
     0,
     3,
     {{M, T, G}, {T, M, G}, {T, G, M}}},
    {"LYS",
     {CB,
      CG(0.1520, 114.1),
      {"CD", "CG", "CB", "CA", 0.1520, 111.3, 2, 0},
      {"CE", "CD", "CG", "CB", 0.1520, 111.3, 3, 0},
      {"NZ", "CE", "CD", "CG", 0.1489, 111.9, 4, 0}},
     0,
     4,
     {{M, T, G}, {T, M, G}, {T, M, G}, {T, M, G}}},
    {"ARG",
     {CB,
      CG(0.1520, 114.1),
      {"CD", "CG", "CB", "CA", 0.1520, 111.3, 2, 0},
      {"NE", "CD", "CG", "CB", 0.1461, 112.0, 3, 0},
      {"CZ", "NE", "CD", "CG", 0.1329, 124.2, 4, 0},
      {"NH1", "CZ", "NE", "CD", 0.1326, 120.0, 0, 0},
      {"NH2", "CZ", "NE", "CD", 0.1326, 119.7, 0, 180}},
     0,
     4,
     {{M, T, G}, {T, M, G}, {T, M, G}, {T, 85, -85}}},
    {"PHE",
     {CB,
      CG(0.1502, 113.8),
      {"CD1", "CG", "CB", "CA", 0.1384, 120.7, 2, 0},
      {"CD2", "CG", "CB", "CA", 0.1384, 120.7, 2, 180},
      {"CE1", "CD1", "CG", "CB", 0.1382, 120.7, 0, 180},
      {"CE2", "CD2", "CG", "CB", 0.1382, 120.7, 0, 180},
      {"CZ", "CE1", "CD1", "CG", 0.1382, 120.0, 0, 0}},
     0,
     2,
     {{M, T, G}, {90, 30, -30}}},
    {"TYR",
     {CB,
      CG(0.1512, 113.9),
      {"CD1", "CG", "CB", "CA", 0.1389, 120.8, 2, 0},
      {"CD2", "CG", "CB", "CA", 0.1389, 120.8, 2, 180},
      {"CE1", "CD1", "CG", "CB", 0.1382, 121.2, 0, 180},
      {"CE2", "CD2", "CG", "CB", 0.1382, 121.2, 0, 180},
      {"CZ", "CE1", "CD1", "CG", 0.1378, 119.6, 0, 0},
      {"OH", "CZ", "CE1", "CD1", 0.1376, 119.9, 0, 180}},
     0,
     2,
     {{M, T, G}, {90, 30, -30}}},
    {"TRP",
     {CB,
      CG(0.1498, 113.6),
      {"CD1", "CG", "CB", "CA", 0.1365, 126.9, 2, 0},
      {"CD2", "CG", "CB", "CA", 0.1433, 126.8, 2, 180},
      {"NE1", "CD1", "CG", "CB", 0.1374, 110.2, 0, 180},
      {"CE2", "CD2", "CG", "CB", 0.1409, 107.2, 0, 180},
      {"CE3", "CD2", "CG", "CB", 0.1398, 133.9, 0, 0},
      {"CZ2", "CE2", "CD2", "CG", 0.1394, 122.4, 0, 180},
      {"CZ3", "CE3", "CD2", "CG", 0.1382, 118.6, 0, 180},
      {"CH2", "CZ2", "CE2", "CD2", 0.1368, 117.5, 0, 0}},
     0,
     2,
     {{M, T, G}, {100, -90, 0}}},
    {"HIS",
     {CB,
      CG(0.1497, 113.8),
      {"ND1", "CG", "CB", "CA", 0.1378, 122.7, 2, 0},
      {"CD2", "CG", "CB", "CA", 0.1354, 131.2, 2, 180},
      {"CE1", "ND1", "CG", "CB", 0.1321, 109.3, 0, 180},
      {"NE2", "CD2", "CG", "CB", 0.1374, 107.2, 0, 180}},
     0,
     2,
     {{M, T, G}, {-75, 80, 165}}},
    /* CD stands beside N, opposite to where phi puts the chain: its torsion is that of phi = -66,
     * and chi 1 closes the ring (CG-CD 0.151 nm). */
    {"PRO",
     {{"CB", "CA", "N", "C", 0.1530, 103.2, 0, -119},
      {"CD", "N", "CA", "C", 0.1473, 112.0, 0, 114},
      {"CG", "CB", "CA", "N", 0.1495, 104.5, 1, 0}},
     0,
     1,
     {{27, NAN, NAN}}},
};

int cox_side_chain_of(const char *residue, struct cox_side_chain *out)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].residue, residue) != 0)
            continue;
        *out = table[i];
        while (out->n_atoms < COX_MAX_SIDE_CHAIN && out->atoms[out->n_atoms].atom)
            out->n_atoms++;
        return 0;
    }
    return -1;
}

static void subtract(const double a[3], const double b[3], double out[3])
{
    for (int k = 0; k < 3; k++)
        out[k] = a[k] - b[k];
}

static void cross(const double a[3], const double b[3], double out[3])
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void normalise(double a[3])
{
    double length = sqrt(dot(a, a));
    for (int k = 0; k < 3; k++)
        a[k] /= length;
}

void cox_place(const double a[3], const double b[3], const double c[3], double length, double angle,
               double torsion, double d[3])
{
    double ab[3];
    double bc[3];
    double n[3];
    double m[3];
    subtract(b, a, ab);
    subtract(c, b, bc);
    normalise(bc);
    cross(ab, bc, n);
    normalise(n);
    cross(n, bc, m);
    for (int k = 0; k < 3; k++)
        d[k] = c[k] + length * (-cos(angle) * bc[k] +
                                sin(angle) * (cos(torsion) * m[k] + sin(torsion) * n[k]));
}

double cox_torsion_of(const double a[3], const double b[3], const double c[3], const double d[3])
{
    double u[3];
    double v[3];
    double w[3];
    double m[3];
    double n[3];
    double q[3];
    subtract(b, a, u);
    subtract(c, b, v);
    subtract(d, c, w);
    cross(u, v, m);
    cross(v, w, n);
    cross(m, n, q);
    return atan2(dot(q, v) / sqrt(dot(v, v)), dot(m, n));
}
