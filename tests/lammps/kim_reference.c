/* SPDX-License-Identifier: BSD-3-Clause */
/* What LAMMPS through KIM is held to: the model as the papers have it (cox_dp_reference), and a
 * model with random weights.
 *     kim_reference model FILE.dp
 *     kim_reference compute MODEL FILE
 * FILE: the box's nine numbers, then a line "type x y z" for each atom, types from 0. Prints
 * "energy E", "virial" with nine numbers, then for each atom "force x y z", its energy and virial.
 */
#include <stdlib.h>

#include "potential/dp_file.h"
#include "potential/reference.h"
#include "potential/test_models.h"

#define MOST 20000

static int say(int rc, const struct cox_err *err)
{
    if (rc)
        fprintf(stderr, "kim_reference: %s\n", err->text);
    return rc != 0;
}

static int write_model(const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *model = test_model(true, 0);
    int rc = cox_dp_model_write(model, path, &err);
    cox_dp_model_destroy(model);
    return say(rc, &err);
}

struct frame {
    struct cox_box box;
    int n;
    double (*x)[3];
    int *type;
};

static int read_frame(struct frame *f, const char *path)
{
    char line[256];
    FILE *file = fopen(path, "r");
    f->box.periodic = true;
    f->x = cox_alloc(MOST, sizeof *f->x);
    f->type = cox_alloc(MOST, sizeof *f->type);
    if (!file || !f->x || !f->type || !fgets(line, sizeof line, file))
        return 1;
    char *at = line;
    for (int k = 0; k < 9; k++)
        f->box.h[k / 3][k % 3] = strtod(at, &at);
    while (f->n < MOST && fgets(line, sizeof line, file)) {
        f->type[f->n] = (int)strtol(line, &at, 10);
        for (int k = 0; k < 3; k++)
            f->x[f->n][k] = strtod(at, &at);
        f->n++;
    }
    fclose(file);
    return 0;
}

static void print(const struct cox_dp_result *r, int n)
{
    printf("energy %.17g\nvirial", r->energy);
    for (int k = 0; k < 9; k++)
        printf(" %.17g", r->virial[k / 3][k % 3]);
    printf("\n");
    for (int i = 0; i < n; i++) {
        printf("force %.17g %.17g %.17g %.17g", r->force[i][0], r->force[i][1], r->force[i][2],
               r->atom_energy[i]);
        for (int k = 0; k < 9; k++)
            printf(" %.17g", r->atom_virial[i][k]);
        printf("\n");
    }
}

static int compute(const char *model_path, const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *model = NULL;
    struct frame f = {.n = 0};
    struct cox_neighbours list;
    struct cox_dp_result result = {0};
    cox_neighbours_init(&list);
    int rc = cox_dp_model_read(&model, model_path, &err);
    if (!rc && read_frame(&f, path))
        rc = cox_err_set(&err, COX_EIO, "cannot read '%s'", path);
    if (!rc)
        rc = cox_neighbours_build(&list, f.n, (const double(*)[3])f.x, f.type, model->n_types,
                                  &f.box, cox_dp_cutoff(model), &err);
    if (!rc) {
        result.force = cox_alloc((size_t)f.n, sizeof *result.force);
        result.atom_energy = cox_alloc((size_t)f.n, sizeof *result.atom_energy);
        result.atom_virial = cox_alloc((size_t)f.n, sizeof *result.atom_virial);
        struct cox_dp_atoms atoms = {.n = f.n, .n_all = f.n, .type = f.type};
        rc = result.force && result.atom_energy && result.atom_virial
                 ? cox_dp_reference(&result, model, &atoms, &list, NULL, &err)
                 : cox_err_set(&err, COX_ENOMEM, "out of memory");
    }
    if (!rc)
        print(&result, f.n);
    cox_free(result.force);
    cox_free(result.atom_energy);
    cox_free(result.atom_virial);
    cox_free(f.x);
    cox_free(f.type);
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(model);
    return say(rc, &err);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "model"))
        return write_model(argv[2]);
    if (argc == 4 && !strcmp(argv[1], "compute"))
        return compute(argv[2], argv[3]);
    fprintf(stderr, "usage: kim_reference model FILE.dp | compute MODEL FILE\n");
    return 2;
}
