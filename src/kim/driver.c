/* SPDX-License-Identifier: BSD-3-Clause */
#include "kim/driver.h"

#include <KIM_ModelDriverHeaders.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "kim/gather.h"
#include "kim/settings.h"
#include "potential/dp_file.h"
#include "potential/evaluate.h"

struct driver {
    struct cox_team *team;
    struct cox_dp_eval *eval;
    struct cox_kim_gather gather;
    double (*force)[3];  /* [capacity] */
    double *atom_energy; /* [capacity] */
    int capacity;
    double (*atom_virial)[9]; /* [virial_capacity], once somebody asked for it */
    int virial_capacity;
    double *fparam;        /* the model's defaults, NULL: it has none */
    double influence;      /* the cutoff in the simulator's unit of length */
    int none_of_ghosts;    /* 1: neighbours of ghosts are not asked for */
    double energy, length; /* the simulator's units in eV and Å */
    bool told_of_overflow;
};

/* A simulator shows no more than its own words ("KIM ModelCreate failed"); KIM puts ours into
 * kim.log, where few look. So the first process says them on its standard error, too. */
static void say(const char *text)
{
    char line[1200] = "coxswain: ";
    size_t n = strlen(line);
    size_t more = strnlen(text, sizeof line - n - 2);
    memcpy(line + n, text, more);
    line[n + more] = '\n';
    if (cox_kim_rank() == 0 && write(STDERR_FILENO, line, n + more + 1) < 0)
        return; /* nobody to tell */
}

static void destroy(struct driver *d)
{
    if (!d)
        return;
    cox_dp_eval_destroy(d->eval);
    cox_team_destroy(d->team);
    cox_kim_gather_deinit(&d->gather);
    cox_free(d->force);
    cox_free(d->atom_energy);
    cox_free(d->atom_virial);
    cox_free(d->fparam);
    cox_free(d);
}

/* ---- computing ---- */

/* What the simulator gives, and where it wants the results; NULL: not wanted. */
struct arguments {
    const int *n, *species, *contributing;
    const double (*x)[3];
    double *energy, (*force)[3], *particle_energy, *virial, (*particle_virial)[6];
};

static int integers(const KIM_ModelComputeArguments *from, KIM_ComputeArgumentName name,
                    const int **out)
{
    int *p = NULL;
    int failed = KIM_ModelComputeArguments_GetArgumentPointerInteger(from, name, &p);
    *out = p;
    return failed;
}

static int doubles(const KIM_ModelComputeArguments *from, KIM_ComputeArgumentName name,
                   double **out)
{
    return KIM_ModelComputeArguments_GetArgumentPointerDouble(from, name, out);
}

static int get_arguments(struct arguments *a, const KIM_ModelComputeArguments *from,
                         struct cox_err *err)
{
    double *x = NULL, *force = NULL, *particle_virial = NULL;
    if (integers(from, KIM_COMPUTE_ARGUMENT_NAME_numberOfParticles, &a->n) ||
        integers(from, KIM_COMPUTE_ARGUMENT_NAME_particleSpeciesCodes, &a->species) ||
        integers(from, KIM_COMPUTE_ARGUMENT_NAME_particleContributing, &a->contributing) ||
        doubles(from, KIM_COMPUTE_ARGUMENT_NAME_coordinates, &x) ||
        doubles(from, KIM_COMPUTE_ARGUMENT_NAME_partialEnergy, &a->energy) ||
        doubles(from, KIM_COMPUTE_ARGUMENT_NAME_partialForces, &force) ||
        doubles(from, KIM_COMPUTE_ARGUMENT_NAME_partialParticleEnergy, &a->particle_energy) ||
        doubles(from, KIM_COMPUTE_ARGUMENT_NAME_partialVirial, &a->virial) ||
        doubles(from, KIM_COMPUTE_ARGUMENT_NAME_partialParticleVirial, &particle_virial))
        return cox_err_set(err, COX_EEXTERNAL, "KIM gives no pointers to the arguments");
    a->x = (const double(*)[3])x;
    a->force = (double(*)[3])force;
    a->particle_virial = (double(*)[6])particle_virial;
    return COX_OK;
}

static int reserve(struct driver *d, int n)
{
    if (n <= d->capacity)
        return COX_OK;
    d->capacity = 0;
    cox_free(d->force);
    cox_free(d->atom_energy);
    size_t more = (size_t)n + (size_t)n / 10 + 16;
    d->force = cox_alloc(more, sizeof *d->force);
    d->atom_energy = cox_alloc(more, sizeof *d->atom_energy);
    if (!d->force || !d->atom_energy)
        return COX_ENOMEM;
    d->capacity = (int)more;
    return COX_OK;
}

static int reserve_virials(struct driver *d, int n)
{
    if (n <= d->virial_capacity)
        return COX_OK;
    d->virial_capacity = 0;
    cox_free(d->atom_virial);
    size_t more = (size_t)n + (size_t)n / 10 + 16;
    d->atom_virial = cox_alloc(more, sizeof *d->atom_virial);
    if (!d->atom_virial)
        return COX_ENOMEM;
    d->virial_capacity = (int)more;
    return COX_OK;
}

/* KIM's virial is ∂E/∂strain: xx yy zz yz xz xy. */
static void to_voigt(double out[6], const double w[9], double unit)
{
    static const int row[6] = {0, 1, 2, 1, 0, 0}, column[6] = {0, 1, 2, 2, 2, 1};
    for (int v = 0; v < 6; v++)
        out[v] = -0.5 * unit * (w[3 * row[v] + column[v]] + w[3 * column[v] + row[v]]);
}

/* Into the simulator's order and units. */
static void hand_out(const struct driver *d, const struct cox_dp_result *result,
                     const struct arguments *a)
{
    const struct cox_kim_gather *g = &d->gather;
    double energy = 1 / d->energy, force = d->length / d->energy;
    if (a->energy)
        *a->energy = result->energy * energy;
    for (int k = 0; a->force && k < g->n_all; k++)
        for (int p = 0; p < 3; p++)
            a->force[g->order[k]][p] = result->force[k][p] * force;
    for (int k = 0; a->particle_energy && k < g->n_all; k++)
        a->particle_energy[g->order[k]] = k < g->n ? result->atom_energy[k] * energy : 0;
    double total[9];
    memcpy(total, result->virial, sizeof total);
    if (a->virial)
        to_voigt(a->virial, total, energy);
    for (int k = 0; a->particle_virial && k < g->n_all; k++)
        to_voigt(a->particle_virial[g->order[k]], result->atom_virial[k], energy);
}

static int evaluate(struct driver *d, const KIM_ModelComputeArguments *from, struct cox_err *err)
{
    struct arguments a = {0};
    struct cox_kim_gather *g = &d->gather;
    int rc = get_arguments(&a, from, err);
    if (!rc)
        rc = cox_kim_gather_particles(g, *a.n, a.x, a.species, a.contributing, err);
    if (!rc)
        rc = cox_kim_gather_list(g, from, err);
    if (!rc && (reserve(d, g->n_all) || (a.particle_virial && reserve_virials(d, g->n_all))))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for the forces");
    if (rc)
        return rc;
    struct cox_dp_atoms atoms = {.n = g->n, .n_all = g->n_all, .type = g->type};
    struct cox_dp_result result = {.force = d->force,
                                   .atom_energy = d->atom_energy,
                                   .atom_virial = a.particle_virial ? d->atom_virial : NULL};
    rc = cox_dp_eval_compute(d->eval, &result, &atoms, &g->list, d->fparam, err);
    if (rc)
        return rc;
    if (!isfinite(result.energy))
        return cox_err_set(err, COX_EINVAL,
                           "the energy is not a number: are there atoms on top of each other?");
    hand_out(d, &result, &a);
    if (result.overflow && !d->told_of_overflow) {
        d->told_of_overflow = true;
        (void)cox_err_set(err, COX_OK,
                          "%lld neighbours are beyond the model's sel and left out: the "
                          "environments are denser than those it was trained on (told once)",
                          result.overflow);
    }
    return COX_OK;
}

static int compute(const KIM_ModelCompute *model, const KIM_ModelComputeArguments *arguments)
{
    struct driver *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    KIM_ModelCompute_GetModelBufferPointer(model, (void **)&d);
    int rc = evaluate(d, arguments, &err);
    if (err.text[0]) {
        KIM_ModelCompute_LogEntry(model, rc ? KIM_LOG_VERBOSITY_error : KIM_LOG_VERBOSITY_warning,
                                  err.text, __LINE__, __FILE__);
        say(err.text);
    }
    return rc != COX_OK;
}

/* ---- what is supported ---- */

static int arguments_create(const KIM_ModelCompute *model, KIM_ModelComputeArgumentsCreate *create)
{
    const KIM_ComputeArgumentName given[] = {
        KIM_COMPUTE_ARGUMENT_NAME_partialEnergy,         KIM_COMPUTE_ARGUMENT_NAME_partialForces,
        KIM_COMPUTE_ARGUMENT_NAME_partialParticleEnergy, KIM_COMPUTE_ARGUMENT_NAME_partialVirial,
        KIM_COMPUTE_ARGUMENT_NAME_partialParticleVirial,
    };
    (void)model;
    for (int i = 0; i < (int)(sizeof given / sizeof given[0]); i++)
        if (KIM_ModelComputeArgumentsCreate_SetArgumentSupportStatus(create, given[i],
                                                                     KIM_SUPPORT_STATUS_optional))
            return 1;
    return 0;
}

static int arguments_destroy(const KIM_ModelCompute *model,
                             KIM_ModelComputeArgumentsDestroy *arguments)
{
    (void)model;
    (void)arguments;
    return 0;
}

static int model_destroy(KIM_ModelDestroy *model)
{
    struct driver *d = NULL;
    KIM_ModelDestroy_GetModelBufferPointer(model, (void **)&d);
    destroy(d);
    return 0;
}

/* ---- creating ---- */

/* The model's folder, which its object tells in the one parameter file that KIM writes for us. */
static int folder_of(char *out, size_t size, KIM_ModelDriverCreate *create, struct cox_err *err)
{
    int n = 0;
    const char *directory = NULL, *name = NULL;
    char path[PATH_MAX];
    char *text = NULL;
    size_t length = 0;
    KIM_ModelDriverCreate_GetNumberOfParameterFiles(create, &n);
    if (n != 1 || KIM_ModelDriverCreate_GetParameterFileBasename(create, 0, &name))
        return cox_err_set(err, COX_EFORMAT,
                           "not a model of ours (%d parameter files): install it with 'cox "
                           "potential kim-install'",
                           n);
    KIM_ModelDriverCreate_GetParameterFileDirectoryName(create, &directory);
    int rc = cox_path_join(path, sizeof path, directory, name, err);
    if (!rc)
        rc = cox_file_read(&text, &length, path, size - 1, err);
    if (!rc && !length)
        rc = cox_err_set(err, COX_EFORMAT, "the model's object does not know its folder");
    if (!rc)
        memcpy(out, text, length + 1);
    cox_free(text);
    return rc;
}

/* Simulators have no frame parameters: the model's own defaults stand in. */
static int take_parameters(struct driver *d, const struct cox_dp_model *model, const char *path,
                           struct cox_err *err)
{
    if (!model->n_fparam)
        return COX_OK;
    if (!model->fparam_default)
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "%s: it needs %d frame parameters, which simulators do not have, and "
                           "names no defaults",
                           path, model->n_fparam);
    d->fparam = cox_alloc((size_t)model->n_fparam, sizeof *d->fparam);
    if (!d->fparam)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the frame parameters");
    memcpy(d->fparam, model->fparam_default, (size_t)model->n_fparam * sizeof *d->fparam);
    return COX_OK;
}

static int load(struct driver *d, struct cox_dp_model **model, const char *folder,
                struct cox_err *err)
{
    char path[PATH_MAX];
    int threads = 1;
    enum cox_dp_precision precision = COX_DP_F64;
    int rc = cox_kim_settings_read(&precision, folder, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, folder, "model.dp", err);
    if (!rc)
        rc = cox_dp_model_read(model, path, err);
    if (!rc)
        rc = take_parameters(d, *model, path, err);
    if (!rc)
        rc = cox_kim_threads(&threads, err);
    if (!rc && threads > 1)
        rc = cox_team_create(&d->team, threads, err);
    if (!rc)
        rc = cox_dp_eval_create(&d->eval, *model, precision, d->team, err);
    return rc;
}

struct units {
    KIM_LengthUnit length;
    KIM_EnergyUnit energy;
    KIM_ChargeUnit charge;
    KIM_TemperatureUnit temperature;
    KIM_TimeUnit time;
};

static int convert(double *out, const struct units *from, double length, double energy)
{
    return KIM_ModelDriverCreate_ConvertUnit(from->length, from->energy, from->charge,
                                             from->temperature, from->time, KIM_LENGTH_UNIT_A,
                                             KIM_ENERGY_UNIT_eV, from->charge, from->temperature,
                                             from->time, length, energy, 0, 0, 0, out);
}

static int tell_kim(struct driver *d, const struct cox_dp_model *model,
                    KIM_ModelDriverCreate *create, const struct units *units, struct cox_err *err)
{
    if (convert(&d->length, units, 1, 0) || convert(&d->energy, units, 0, 1) ||
        KIM_ModelDriverCreate_SetUnits(create, units->length, units->energy, KIM_CHARGE_UNIT_unused,
                                       KIM_TEMPERATURE_UNIT_unused, KIM_TIME_UNIT_unused))
        return cox_err_set(err, COX_EUNSUPPORTED, "KIM cannot convert Å and eV to these units");
    double cutoff = cox_dp_cutoff(model);
    d->gather.to_A = d->length;
    d->gather.cutoff = cutoff;
    d->gather.n_types = model->n_types;
    d->gather.team = d->team;
    d->influence = cutoff / d->length;
    d->none_of_ghosts = 1;
    for (int t = 0; t < model->n_types; t++) {
        KIM_SpeciesName species = KIM_SpeciesName_FromString(model->type_name[t]);
        if (!KIM_SpeciesName_Known(species) ||
            KIM_ModelDriverCreate_SetSpeciesCode(create, species, t))
            return cox_err_set(err, COX_EUNSUPPORTED,
                               "type '%s' of the model is no species of KIM's: it knows the "
                               "elements and user01 … user20",
                               model->type_name[t]);
    }
    KIM_ModelDriverCreate_SetInfluenceDistancePointer(create, &d->influence);
    KIM_ModelDriverCreate_SetNeighborListPointers(create, 1, &d->influence, &d->none_of_ghosts);
    KIM_ModelDriverCreate_SetModelBufferPointer(create, d);
    if (KIM_ModelDriverCreate_SetModelNumbering(create, KIM_NUMBERING_zeroBased) ||
        KIM_ModelDriverCreate_SetRoutinePointer(
            create, KIM_MODEL_ROUTINE_NAME_ComputeArgumentsCreate, KIM_LANGUAGE_NAME_c, 1,
            (KIM_Function *)arguments_create) ||
        KIM_ModelDriverCreate_SetRoutinePointer(create, KIM_MODEL_ROUTINE_NAME_Compute,
                                                KIM_LANGUAGE_NAME_c, 1, (KIM_Function *)compute) ||
        KIM_ModelDriverCreate_SetRoutinePointer(
            create, KIM_MODEL_ROUTINE_NAME_ComputeArgumentsDestroy, KIM_LANGUAGE_NAME_c, 1,
            (KIM_Function *)arguments_destroy) ||
        KIM_ModelDriverCreate_SetRoutinePointer(create, KIM_MODEL_ROUTINE_NAME_Destroy,
                                                KIM_LANGUAGE_NAME_c, 1,
                                                (KIM_Function *)model_destroy))
        return cox_err_set(err, COX_EEXTERNAL, "KIM refuses the driver's routines");
    return COX_OK;
}

int cox_kim_driver_create(KIM_ModelDriverCreate *create, KIM_LengthUnit length,
                          KIM_EnergyUnit energy, KIM_ChargeUnit charge,
                          KIM_TemperatureUnit temperature, KIM_TimeUnit time)
{
    char folder[PATH_MAX];
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *model = NULL;
    const struct units units = {length, energy, charge, temperature, time};
    int rc = folder_of(folder, sizeof folder, create, &err);
    struct driver *d = rc ? NULL : cox_alloc(1, sizeof *d);
    if (!rc && !d)
        rc = cox_err_set(&err, COX_ENOMEM, "out of memory for the driver");
    if (!rc)
        rc = load(d, &model, folder, &err);
    if (!rc)
        rc = tell_kim(d, model, create, &units, &err);
    cox_dp_model_destroy(model);
    if (rc) {
        destroy(d);
        KIM_ModelDriverCreate_SetModelBufferPointer(create, NULL);
        KIM_ModelDriverCreate_LogEntry(create, KIM_LOG_VERBOSITY_error, err.text, __LINE__,
                                       __FILE__);
        say(err.text);
    }
    return rc != COX_OK;
}
