/* SPDX-License-Identifier: BSD-3-Clause */
#include "cox/potential.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "potential/api_list.h"
#include "potential/dp_file.h"
#include "potential/evaluate.h"

struct cox_potential {
    pthread_mutex_t lock; /* of what follows up to `room`: one call at a time */
    struct cox_team *team;
    struct cox_dp_eval *eval;
    struct cox_neighbours list;
    double *atom_energy; /* [room] where the caller wants none */
    int room;
    int n_types, n_fparam;
    double *defaults; /* [n_fparam] of the frame parameters, NULL: there are none */
    double cutoff_A;
    char name[COX_DP_MAX_TYPES][COX_DP_TYPE_NAME];
};

/* Structures of the first version; those of later ones are longer, never shorter. */
static int check_size(size_t size, size_t least, const char *what, struct cox_err *err)
{
    return size >= least ? COX_OK
                         : cox_err_set(err, COX_EINVAL,
                                       "%s was not set up with its initialiser: its size is %zu, "
                                       "at least %zu are needed",
                                       what, size, least);
}

/* ---- opening ---- */

static int keep_defaults(struct cox_potential *p, const struct cox_dp_model *model,
                         struct cox_err *err)
{
    const size_t n = (size_t)model->n_fparam;
    if (!model->fparam_default)
        return COX_OK;
    p->defaults = cox_alloc(n, sizeof *p->defaults);
    if (!p->defaults)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu frame parameters", n);
    memcpy(p->defaults, model->fparam_default, n * sizeof *p->defaults);
    return COX_OK;
}

static int load(struct cox_potential *p, const char *path,
                const struct cox_potential_options *options, struct cox_err *err)
{
    struct cox_dp_model *model = NULL;
    int rc = cox_dp_model_read(&model, path, err);
    if (!rc && options->threads != 1)
        rc = cox_team_create(&p->team, options->threads, err);
    if (!rc)
        rc = cox_dp_eval_create(&p->eval, model, (enum cox_dp_precision)options->precision, p->team,
                                err);
    if (!rc)
        rc = keep_defaults(p, model, err);
    if (!rc) {
        p->list.team = p->team;
        p->n_types = model->n_types;
        p->n_fparam = model->n_fparam;
        p->cutoff_A = cox_dp_cutoff(model);
        memcpy(p->name, model->type_name, sizeof p->name);
    }
    cox_dp_model_destroy(model);
    return rc;
}

int cox_potential_open(struct cox_potential **out, const char *path,
                       const struct cox_potential_options *options, struct cox_err *err)
{
    static const struct cox_potential_options usual = COX_POTENTIAL_OPTIONS_INIT;
    *out = NULL;
    if (!options)
        options = &usual;
    int rc = check_size(options->size, sizeof usual, "struct cox_potential_options", err);
    if (rc)
        return rc;
    if (options->precision < COX_POTENTIAL_F64 || options->precision > COX_POTENTIAL_MIX16)
        return cox_err_set(
            err, COX_EINVAL, "precision %d is none of %d (double), %d (single), %d (mixed)",
            options->precision, COX_POTENTIAL_F64, COX_POTENTIAL_F32, COX_POTENTIAL_MIX16);
    if (options->threads < 0 || options->threads > 4096)
        return cox_err_set(err, COX_EINVAL, "%d threads; 0 … 4096 are allowed", options->threads);
    struct cox_potential *p = cox_alloc(1, sizeof *p);
    if (!p)
        return cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    pthread_mutex_init(&p->lock, NULL);
    cox_neighbours_init(&p->list);
    rc = load(p, path, options, err);
    if (rc) {
        cox_potential_close(p);
        return rc;
    }
    *out = p;
    return COX_OK;
}

void cox_potential_close(struct cox_potential *potential)
{
    if (!potential)
        return;
    cox_dp_eval_destroy(potential->eval);
    cox_neighbours_deinit(&potential->list);
    cox_team_destroy(potential->team);
    cox_free(potential->atom_energy);
    cox_free(potential->defaults);
    pthread_mutex_destroy(&potential->lock);
    cox_free(potential);
}

/* ---- what it is ---- */

int cox_potential_types(const struct cox_potential *potential)
{
    return potential->n_types;
}

const char *cox_potential_type_name(const struct cox_potential *potential, int type)
{
    return type >= 0 && type < potential->n_types ? potential->name[type] : NULL;
}

int cox_potential_type_of(const struct cox_potential *potential, const char *name)
{
    for (int t = 0; t < potential->n_types; t++)
        if (!strcmp(potential->name[t], name))
            return t;
    return -1;
}

double cox_potential_cutoff_A(const struct cox_potential *potential)
{
    return potential->cutoff_A;
}

int cox_potential_frame_parameters(const struct cox_potential *potential)
{
    return potential->n_fparam;
}

/* ---- computing ---- */

static int check_numbers(const double *x, int n, const char *what, struct cox_err *err)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return cox_err_set(err, COX_EINVAL, "%s %d is not a number", what, i);
    return COX_OK;
}

static int check_atoms(const struct cox_potential *p, const struct cox_potential_atoms *atoms,
                       struct cox_err *err)
{
    int rc = check_size(atoms->size, sizeof(struct cox_potential_atoms),
                        "struct cox_potential_atoms", err);
    if (rc)
        return rc;
    if (atoms->n < 0)
        return cox_err_set(err, COX_EINVAL, "%d atoms", atoms->n);
    if (atoms->n && (!atoms->x_A || !atoms->type))
        return cox_err_set(err, COX_EINVAL, "atoms need x_A and type");
    for (int i = 0; i < atoms->n; i++) {
        if (atoms->type[i] < 0 || atoms->type[i] >= p->n_types)
            return cox_err_set(err, COX_EINVAL, "atom %d is of type %d; the model has 0 … %d", i,
                               atoms->type[i], p->n_types - 1);
        for (int k = 0; k < 3; k++)
            if (!isfinite(atoms->x_A[3 * i + k]))
                return cox_err_set(err, COX_EINVAL, "atom %d: its %c is not a number", i, "xyz"[k]);
    }
    if (p->n_fparam && !atoms->frame_parameters && !p->defaults)
        return cox_err_set(err, COX_EINVAL, "this model needs %d frame parameters", p->n_fparam);
    if (p->n_fparam && atoms->frame_parameters)
        rc = check_numbers(atoms->frame_parameters, p->n_fparam, "frame parameter", err);
    return rc;
}

/* The evaluator always wants somewhere to put the energies of the atoms. */
static int reserve(struct cox_potential *p, int n, struct cox_err *err)
{
    if (n <= p->room)
        return COX_OK;
    const size_t more = (size_t)n + (size_t)n / 10 + 16;
    p->room = 0;
    cox_free(p->atom_energy);
    p->atom_energy = cox_alloc(more, sizeof *p->atom_energy);
    if (!p->atom_energy)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", n);
    p->room = (int)more;
    return COX_OK;
}

/* Nobody feels anything. */
static void give_nothing(struct cox_potential_result *result, int n)
{
    result->energy_eV = 0;
    result->left_out = 0;
    memset(result->virial_eV, 0, sizeof result->virial_eV);
    for (int i = 0; i < 3 * n && result->force_eV_A; i++)
        result->force_eV_A[i] = 0;
    for (int i = 0; i < 9 * n && result->atom_virial_eV; i++)
        result->atom_virial_eV[i] = 0;
}

/* With p->lock held and p->list made. */
static int evaluate(struct cox_potential *p, struct cox_potential_result *result,
                    const struct cox_potential_atoms *atoms, struct cox_err *err)
{
    const struct cox_dp_atoms given = {.n = p->list.n, .n_all = atoms->n, .type = atoms->type};
    if (!p->list.n) {
        give_nothing(result, atoms->n);
        return COX_OK;
    }
    int rc = reserve(p, p->list.n, err);
    if (rc)
        return rc;
    double *own = p->atom_energy;
    struct cox_dp_result r = {.force = (double(*)[3])result->force_eV_A,
                              .atom_energy = result->atom_energy_eV ? result->atom_energy_eV : own,
                              .atom_virial = (double(*)[9])result->atom_virial_eV};
    rc = cox_dp_eval_compute(p->eval, &r, &given, &p->list,
                             atoms->frame_parameters ? atoms->frame_parameters : p->defaults, err);
    if (rc)
        return rc;
    if (!isfinite(r.energy))
        return cox_err_set(err, COX_EINVAL,
                           "the energy is not a number: the atoms are nothing like what the model "
                           "was trained with");
    result->energy_eV = r.energy;
    memcpy(result->virial_eV, r.virial, sizeof r.virial);
    result->left_out = r.overflow;
    return COX_OK;
}

int cox_potential_compute(struct cox_potential *potential, struct cox_potential_result *result,
                          const struct cox_potential_atoms *atoms, struct cox_err *err)
{
    struct cox_potential *p = potential;
    struct cox_box box = {.periodic = false};
    int rc = check_size(result->size, sizeof *result, "struct cox_potential_result", err);
    if (!rc)
        rc = check_atoms(p, atoms, err);
    if (rc)
        return rc;
    if (atoms->box_A) {
        box.periodic = true;
        memcpy(box.h, atoms->box_A, sizeof box.h);
    }
    pthread_mutex_lock(&p->lock);
    rc = cox_neighbours_build(&p->list, atoms->n, (const double(*)[3])atoms->x_A, atoms->type,
                              p->n_types, &box, p->cutoff_A, err);
    if (!rc)
        rc = evaluate(p, result, atoms, err);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int cox_potential_compute_with_list(struct cox_potential *potential,
                                    struct cox_potential_result *result,
                                    const struct cox_potential_atoms *atoms,
                                    const struct cox_potential_list *list, struct cox_err *err)
{
    struct cox_potential *p = potential;
    int rc = check_size(result->size, sizeof *result, "struct cox_potential_result", err);
    if (!rc)
        rc = check_size(list->size, sizeof *list, "struct cox_potential_list", err);
    if (!rc)
        rc = check_atoms(p, atoms, err);
    if (!rc && atoms->box_A)
        rc = cox_err_set(err, COX_EINVAL,
                         "a box and a list of neighbours: images are atoms of their own in a list");
    if (rc)
        return rc;
    pthread_mutex_lock(&p->lock);
    rc = cox_dp_take_list(&p->list, list, atoms->n, (const double(*)[3])atoms->x_A, atoms->type,
                          p->n_types, p->cutoff_A, err);
    if (!rc)
        rc = evaluate(p, result, atoms, err);
    pthread_mutex_unlock(&p->lock);
    return rc;
}
