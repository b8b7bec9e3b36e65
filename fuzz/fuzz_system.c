/* SPDX-License-Identifier: BSD-3-Clause */
/* System files: what is accepted is a sound system. The input is not the file, but changes to the
 * values in a sound one, ten bytes each: where (16 bits), what (64 bits). HDF5's own structures
 * stay as they are: the library (1.10) does not survive damage to them, and that is not ours to
 * find. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cox/system.h"
#include "fuzz.h"

static char *image;    /* of a sound file */
static size_t length;  /* its bytes */
static size_t *places; /* the offsets of 64-bit words that hold values */
static size_t n_places;

/* Four atoms; every value differs between the two variants. */
static struct cox_system *sample(int variant)
{
    struct cox_system *s = NULL;
    if (cox_system_create(&s, 4, 2, 1, 1, 1, 1, 2, NULL))
        abort();
    double x = 1 + 0.37 * variant;
    for (int i = 0; i < 4; i++) {
        s->mass_u[i] = 12 * x + i;
        s->charge_e[i] = 0.1 * x;
        s->sigma_nm[i] = 0.3 * x;
        s->epsilon[i] = 0.4 * x;
        s->gb_radius_nm[i] = 0.15 * x;
        s->gb_scale[i] = 0.8 * x;
        s->element[i] = 6 + variant;
        s->residue[i] = i > 1 + variant;
        for (int k = 0; k < 3; k++)
            s->position_nm[i][k] = (0.1 * i + 0.05 * k * i) * x;
        memcpy(s->atom_name[i], variant ? "CA" : "NX", 3);
    }
    for (int i = 0; i < 2; i++) {
        memcpy(s->residue_name[i], variant ? "ALA" : "TYR", 4);
        memcpy(s->chain[i], variant ? "A" : "B", 2);
        s->residue_number[i] = 1 + i + variant;
    }
    int v = variant;
    s->bonds[0] = (struct cox_bond){{0 + v, 1 + v}, 0.1 * x, 1000 * x};
    s->angles[0] = (struct cox_angle){{0 + v, 1 + v, 2 + v}, 1.9 * x, 100 * x};
    s->torsions[0] = (struct cox_torsion){{v, 1 - v, 2 + v, 3 - v}, 1 + v, v, 0.5 * x, 2 * x};
    s->pairs14[0] = (struct cox_pair14){{v, 3}, 0.01 * x, 0.3 * x, 0.2 * x};
    s->exclusions[0][0] = v;
    s->exclusions[0][1] = 3;
    s->exclusions[1][0] = 2 - v * 2;
    s->exclusions[1][1] = 3 - v;
    s->solvent_dielectric = 78.5;
    s->solute_dielectric = 1;
    s->surface_tension = 2.25936;
    snprintf(s->name, sizeof s->name, "sample");
    return s;
}

static char *image_of(int variant, size_t *n)
{
    char path[64];
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = sample(variant);
    char *bytes = NULL;
    snprintf(path, sizeof path, "fuzz-base-%d.h5", (int)getpid());
    if (cox_system_save(s, path, &err) || cox_file_read(&bytes, n, path, (size_t)1 << 20, &err)) {
        fprintf(stderr, "fuzz: %s\n", err.text);
        abort();
    }
    unlink(path);
    cox_system_destroy(s);
    char *copy = malloc(*n);
    memcpy(copy, bytes, *n);
    cox_free(bytes);
    return copy;
}

/* Where two files of the same shape differ, there are values. */
static void find_places(void)
{
    size_t other_length;
    image = image_of(0, &length);
    char *other = image_of(1, &other_length);
    if (length != other_length)
        abort();
    places = malloc(length * sizeof *places);
    for (size_t at = 0; at + 8 <= length; at += 8)
        if (memcmp(image + at, other + at, 8) != 0)
            places[n_places++] = at;
    if (n_places < 40)
        abort();
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!image)
        find_places();
    char *bytes = malloc(length);
    memcpy(bytes, image, length);
    for (; size >= 10; size -= 10, data += 10)
        memcpy(bytes + places[(data[0] | data[1] << 8) % n_places], data + 2, 8);
    char path[64];
    snprintf(path, sizeof path, "fuzz-system-%d.h5", (int)getpid());
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *system = NULL;
    if (cox_file_append(path, bytes, length, &err))
        abort();
    int rc = cox_system_load(&system, path, &err);
    if (!rc && cox_system_check(system, &err))
        abort();
    if (rc && !err.text[0])
        abort();
    cox_system_destroy(system);
    unlink(path);
    free(bytes);
    return 0;
}
