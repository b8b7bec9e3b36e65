/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that LAMMPS wrote as training data for a Deep Potential (deepmd/npy):
 *     labels FRAMES DUMP TRAIN VALID
 * FRAMES has one line for each frame: pe lx ly lz xy xz yz pxx pyy pzz pxy pxz pyz (eV, Å, and the
 * pressure's virial part in bar); DUMP the same frames as `dump custom id x y z fx fy fz`, sorted
 * by id. Of eight frames the last goes to VALID, the others to TRAIN. One species: Cu. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* LAMMPS's own constant in units metal: eV/Å³ in bar. */
#define BAR 1.6021765e6
#define EVERY 8

struct column {
    const char *name;
    int width; /* numbers of one frame */
    double *value;
};

enum { COORD, BOX, ENERGY, FORCE, VIRIAL, COLUMNS };

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "labels: %s '%s'%s%s\n", what, name, errno ? ": " : "",
            errno ? strerror(errno) : "");
    exit(1);
}

static FILE *open_or_fail(const char *name, const char *mode)
{
    FILE *file = fopen(name, mode);
    if (!file)
        fail("cannot open", name);
    return file;
}

static void put(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = open_or_fail(path, "wb");
    if (fwrite(bytes, 1, n, file) != n || fclose(file))
        fail("cannot write", path);
}

/* numpy's format, version 1.0: a header padded to 64 bytes, then doubles, little-endian. */
static void put_npy(const char *folder, const struct column *column, int frames)
{
    char path[4096], header[128];
    snprintf(path, sizeof path, "%s/%s.npy", folder, column->name);
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    int n = snprintf(header + 10, sizeof header - 10,
                     "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }", frames,
                     column->width);
    header[10 + n] = ' ';
    header[127] = '\n';
    FILE *file = open_or_fail(path, "wb");
    size_t total = (size_t)frames * (size_t)column->width;
    if (fwrite(header, 1, sizeof header, file) != sizeof header ||
        fwrite(column->value, sizeof(double), total, file) != total || fclose(file))
        fail("cannot write", path);
}

static void put_system(const char *folder, const struct column *columns, int frames, int atoms)
{
    char set[4096];
    snprintf(set, sizeof set, "%s/set.000", folder);
    if ((mkdir(folder, 0777) && errno != EEXIST) || (mkdir(set, 0777) && errno != EEXIST))
        fail("cannot make the folder", folder);
    char *types = malloc((size_t)atoms * 2);
    for (int i = 0; i < atoms; i++)
        memcpy(types + (size_t)i * 2, "0\n", 2);
    put(folder, "type.raw", types, (size_t)atoms * 2);
    put(folder, "type_map.raw", "Cu\n", 3);
    free(types);
    for (int c = 0; c < COLUMNS; c++)
        put_npy(set, &columns[c], frames);
}

static double *row(const struct column *column, int frame)
{
    return column->value + (size_t)frame * (size_t)column->width;
}

/* One frame of the dump; 0 at its end. */
static int read_dump(FILE *dump, const char *name, int *atoms, double **x, double **f)
{
    char line[512];
    int n = 0;
    if (!fgets(line, sizeof line, dump))
        return 0;
    for (int i = 0; i < 8 && fgets(line, sizeof line, dump); i++)
        if (i == 2)
            n = (int)strtol(line, NULL, 10);
    if (n < 1 || (*atoms && n != *atoms))
        fail("frames of different sizes in", name);
    if (!*atoms) {
        *x = malloc((size_t)n * 3 * sizeof **x);
        *f = malloc((size_t)n * 3 * sizeof **f);
        *atoms = n;
    }
    for (int i = 0; i < n; i++) {
        char *at = line;
        if (!fgets(line, sizeof line, dump) || strtol(line, &at, 10) != i + 1)
            fail("not all atoms, in order, in", name);
        for (int k = 0; k < 6; k++)
            (k < 3 ? *x : *f)[i * 3 + k % 3] = strtod(at, &at);
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: labels FRAMES DUMP TRAIN VALID\n");
        return 2;
    }
    FILE *frames = open_or_fail(argv[1], "r"), *dump = open_or_fail(argv[2], "r");
    struct column columns[2][COLUMNS];
    int count[2] = {0, 0}, capacity = 0, atoms = 0, n = 0;
    double *x = NULL, *f = NULL;
    char line[1024];
    memset(columns, 0, sizeof columns);
    while (fgets(line, sizeof line, frames)) {
        double v[13];
        char *at = line;
        if (line[0] == '#')
            continue;
        for (int k = 0; k < 13; k++)
            v[k] = strtod(at, &at);
        if (!read_dump(dump, argv[2], &atoms, &x, &f))
            fail("fewer frames than lines in", argv[2]);
        int part = n++ % EVERY == EVERY - 1;
        if (n > capacity) {
            const char *const names[] = {"coord", "box", "energy", "force", "virial"};
            const int width[] = {3 * atoms, 9, 1, 3 * atoms, 9};
            capacity = 2 * capacity + 16;
            for (int p = 0; p < 2; p++)
                for (int c = 0; c < COLUMNS; c++) {
                    struct column *column = &columns[p][c];
                    column->name = names[c];
                    column->width = width[c];
                    column->value = realloc(column->value,
                                            (size_t)capacity * (size_t)width[c] * sizeof(double));
                    if (!column->value)
                        fail("out of memory for", argv[2]);
                }
        }
        struct column *to = columns[part];
        int k = count[part]++;
        const double box[9] = {v[1], 0, 0, v[4], v[2], 0, v[5], v[6], v[3]};
        const double scale = v[1] * v[2] * v[3] / BAR;
        const double w[9] = {v[7], v[10], v[11], v[10], v[8], v[12], v[11], v[12], v[9]};
        memcpy(row(&to[COORD], k), x, (size_t)atoms * 3 * sizeof *x);
        memcpy(row(&to[FORCE], k), f, (size_t)atoms * 3 * sizeof *f);
        memcpy(row(&to[BOX], k), box, sizeof box);
        row(&to[ENERGY], k)[0] = v[0];
        for (int c = 0; c < 9; c++)
            row(&to[VIRIAL], k)[c] = w[c] * scale;
    }
    if (!count[0])
        fail("no frames in", argv[1]);
    put_system(argv[3], columns[0], count[0], atoms);
    if (count[1])
        put_system(argv[4], columns[1], count[1], atoms);
    printf("%s: %d frames of %d atoms, %d to check with\n", argv[3], count[0], atoms, count[1]);
    return 0;
}
