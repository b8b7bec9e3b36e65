/* SPDX-License-Identifier: BSD-3-Clause */
/* A nanocrystalline cube of an fcc metal, periodic, for LAMMPS's read_data:
 *     polycrystal EDGE GRAINS LATTICE SEED > FILE.data
 * Voronoi cells around random points, each filled with a lattice of random orientation; of atoms
 * nearer than 0.65 nearest-neighbour distances one is left out (Schiøtz, Di Tolla, Jacobsen, Nature
 * 391, 561 (1998), makes them so). Lengths in Å. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define NEAREST 0.65

struct cube {
    double edge;
    int grains;
    double (*centre)[3];
    double (*rotation)[9];
    int n, capacity;
    double (*x)[3];
};

/* Numbers from 0 to 1 that a seed fixes (splitmix64). */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* A rotation drawn evenly from all of them: a random unit quaternion (Shoemake 1992). */
static void random_rotation(double r[9], uint64_t *state)
{
    const double turn = 6.283185307179586;
    double u = uniform(state), v = turn * uniform(state), w = turn * uniform(state);
    double a = sqrt(1 - u) * sin(v), b = sqrt(1 - u) * cos(v);
    double c = sqrt(u) * sin(w), d = sqrt(u) * cos(w);
    const double m[9] = {
        1 - 2 * (b * b + c * c), 2 * (a * b - c * d),     2 * (a * c + b * d),
        2 * (a * b + c * d),     1 - 2 * (a * a + c * c), 2 * (b * c - a * d),
        2 * (a * c - b * d),     2 * (b * c + a * d),     1 - 2 * (a * a + b * b),
    };
    for (int i = 0; i < 9; i++)
        r[i] = m[i];
}

static double wrap(double d, double edge)
{
    return d - edge * floor(d / edge + 0.5);
}

static double distance2(const double a[3], const double b[3], double edge)
{
    double sum = 0;
    for (int p = 0; p < 3; p++) {
        double d = wrap(a[p] - b[p], edge);
        sum += d * d;
    }
    return sum;
}

/* The lattice points around a grain's centre that are nearer to it than to any other one, images
 * included. */
static void fill(struct cube *cube, int grain, double lattice)
{
    static const double basis[4][3] = {{0, 0, 0}, {0, .5, .5}, {.5, 0, .5}, {.5, .5, 0}};
    /* within half the cube's diagonal of its centre */
    int reach = (int)(0.87 * cube->edge / lattice) + 2;
    double *c = cube->centre[grain], *r = cube->rotation[grain];
    for (int64_t k = 0; k < 4 * (int64_t)(2 * reach + 1) * (2 * reach + 1) * (2 * reach + 1); k++) {
        int64_t cell = k / 4, side = 2 * reach + 1;
        double l[3] = {(double)(cell % side - reach), (double)(cell / side % side - reach),
                       (double)(cell / side / side - reach)};
        double d[3], x[3], own = 0;
        for (int p = 0; p < 3; p++)
            l[p] = lattice * (l[p] + basis[k % 4][p]);
        for (int p = 0; p < 3; p++) {
            d[p] = r[3 * p] * l[0] + r[3 * p + 1] * l[1] + r[3 * p + 2] * l[2];
            x[p] = c[p] + d[p];
            own += d[p] * d[p];
        }
        /* beyond half the edge another image of the same centre is nearer */
        int nearest = fabs(d[0]) <= cube->edge / 2 && fabs(d[1]) <= cube->edge / 2 &&
                      fabs(d[2]) <= cube->edge / 2;
        for (int g = 0; nearest && g < cube->grains; g++)
            nearest = g == grain || distance2(x, cube->centre[g], cube->edge) >= own;
        if (!nearest)
            continue;
        if (cube->n == cube->capacity) {
            cube->capacity = 2 * cube->capacity + 1024;
            cube->x = realloc(cube->x, (size_t)cube->capacity * sizeof *cube->x);
            if (!cube->x)
                exit(1);
        }
        for (int p = 0; p < 3; p++) {
            x[p] -= cube->edge * floor(x[p] / cube->edge);
            cube->x[cube->n][p] = x[p] < cube->edge ? x[p] : 0;
        }
        cube->n++;
    }
}

/* Leaves out the later of two atoms that are too near; cells of that size hold few. */
static void thin(struct cube *cube, double least)
{
    int side = (int)(cube->edge / least), kept = 0;
    side = side < 3 ? 1 : side;
    int *head = malloc((size_t)side * (size_t)side * (size_t)side * sizeof *head);
    int *next = malloc((size_t)cube->n * sizeof *next);
    if (!head || !next)
        exit(1);
    for (int i = 0; i < side * side * side; i++)
        head[i] = -1;
    for (int i = 0; i < cube->n; i++) {
        int at[3], near = 0;
        double *x = cube->x[i];
        for (int p = 0; p < 3; p++)
            at[p] = (int)(x[p] / cube->edge * side) % side;
        for (int k = 0; !near && k < (side == 1 ? 1 : 27); k++) {
            int c[3] = {at[0], at[1], at[2]};
            if (side > 1) {
                c[0] = (at[0] + k % 3 - 1 + side) % side;
                c[1] = (at[1] + k / 3 % 3 - 1 + side) % side;
                c[2] = (at[2] + k / 9 - 1 + side) % side;
            }
            for (int j = head[(c[2] * side + c[1]) * side + c[0]]; !near && j >= 0; j = next[j])
                near = distance2(x, cube->x[j], cube->edge) < least * least;
        }
        if (near)
            continue;
        int *first = &head[(at[2] * side + at[1]) * side + at[0]];
        for (int p = 0; p < 3; p++)
            cube->x[kept][p] = x[p];
        next[kept] = *first;
        *first = kept++;
    }
    cube->n = kept;
    free(head);
    free(next);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: polycrystal EDGE GRAINS LATTICE SEED > FILE.data\n");
        return 2;
    }
    struct cube cube = {.edge = strtod(argv[1], NULL), .grains = (int)strtol(argv[2], NULL, 10)};
    double lattice = strtod(argv[3], NULL);
    uint64_t state = strtoull(argv[4], NULL, 10);
    if (!(cube.edge >= 2 * lattice) || !(lattice > 0) || cube.grains < 1) {
        fprintf(stderr, "polycrystal: EDGE must be two LATTICE or more, GRAINS at least 1\n");
        return 2;
    }
    cube.centre = malloc((size_t)cube.grains * sizeof *cube.centre);
    cube.rotation = malloc((size_t)cube.grains * sizeof *cube.rotation);
    if (!cube.centre || !cube.rotation)
        return 1;
    for (int g = 0; g < cube.grains; g++) {
        for (int p = 0; p < 3; p++)
            cube.centre[g][p] = cube.edge * uniform(&state);
        random_rotation(cube.rotation[g], &state);
    }
    for (int g = 0; g < cube.grains; g++)
        fill(&cube, g, lattice);
    thin(&cube, NEAREST * lattice / sqrt(2));
    printf("%d grains, fcc %g Å, seed %s\n\n%d atoms\n1 atom types\n\n0 %.10g xlo xhi\n"
           "0 %.10g ylo yhi\n0 %.10g zlo zhi\n\nMasses\n\n1 63.546\n\nAtoms # atomic\n\n",
           cube.grains, lattice, argv[4], cube.n, cube.edge, cube.edge, cube.edge);
    for (int i = 0; i < cube.n; i++)
        printf("%d 1 %.10g %.10g %.10g\n", i + 1, cube.x[i][0], cube.x[i][1], cube.x[i][2]);
    return 0;
}
