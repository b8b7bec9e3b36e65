/* SPDX-License-Identifier: BSD-3-Clause */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "kim/collections.h"
#include "potential/evaluate.h"
#include "potential/dp_file.h"

#define DRIVER_FILE "libkim-api-model-driver.so"
#define MODEL_FILE "libkim-api-portable-model.so"
#define LARGEST_OBJECT (256u << 20)

struct install {
    const char *name, *precision;
    struct cox_dp_model *model;
    char from[PATH_MAX];                      /* where the two objects lie */
    char drivers[PATH_MAX], models[PATH_MAX]; /* the collection */
    bool in_users;                            /* KIM finds it without being told */
};

static int join(char out[PATH_MAX], const char *directory, const char *name, struct cox_err *err)
{
    return cox_path_join(out, PATH_MAX, directory, name, err);
}

/* ---- where things are ---- */

/* Beside the program as it was built, or as it was installed. */
static int find_objects(struct install *in, struct cox_err *err)
{
    static const char *const places[] = {"kim", COX_KIM_FOLDER};
    char program[PATH_MAX], driver[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return cox_err_errno(err, "cannot tell where this program is");
    program[n] = '\0';
    for (int i = 0; i < (int)(sizeof places / sizeof places[0]); i++) {
        int rc = cox_path_beside(in->from, sizeof in->from, program, places[i], err);
        if (!rc)
            rc = join(driver, in->from, DRIVER_FILE, err);
        if (rc)
            return rc;
        if (cox_file_exists(driver))
            return COX_OK;
    }
    return cox_err_set(err, COX_EUNSUPPORTED,
                       "this cox was built without the KIM API: install libkim-api-dev, then "
                       "build it again");
}

/* Asks KIM, through the driver, for its user's folders and whether it knows the model's species:
 * it would say no more than that it failed. */
static int ask_kim(struct install *in, const char *collection, struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = join(path, in->from, DRIVER_FILE, err);
    if (rc)
        return rc;
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return cox_err_set(err, COX_EEXTERNAL, "cannot load the driver: %s", dlerror());
    cox_kim_folders_function *folders =
        (cox_kim_folders_function *)dlsym(object, COX_KIM_SYMBOL_FOLDERS);
    cox_kim_species_function *known =
        (cox_kim_species_function *)dlsym(object, COX_KIM_SYMBOL_SPECIES);
    if (!folders || !known)
        rc = cox_err_set(err, COX_EEXTERNAL, "'%s' is not this cox's driver", path);
    for (int t = 0; !rc && t < in->model->n_types; t++)
        if (!known(in->model->type_name[t]))
            rc = cox_err_set(err, COX_EUNSUPPORTED,
                             "type '%s' of the model is no species of KIM's: it knows the "
                             "elements and user01 … user20",
                             in->model->type_name[t]);
    in->in_users = !strcmp(collection, "user");
    if (!rc && in->in_users && folders(in->drivers, in->models, PATH_MAX))
        rc = cox_err_set(err, COX_EEXTERNAL, "KIM names no folders of the user's");
    if (!rc && !in->in_users)
        rc = cox_directory_create(collection, err);
    if (!rc && !in->in_users && !realpath(collection, in->models))
        rc = cox_err_errno(err, "cannot find '%s'", collection);
    if (!rc && !in->in_users)
        memcpy(in->drivers, in->models, sizeof in->drivers);
    dlclose(object);
    return rc;
}

/* ---- copying ---- */

static int copy(const char *from, const char *folder, const char *name, struct cox_err *err)
{
    char source[PATH_MAX], target[PATH_MAX];
    char *bytes = NULL, *there = NULL;
    size_t n = 0, n_there = 0;
    int rc = join(source, from, name, err);
    if (!rc)
        rc = join(target, folder, name, err);
    if (!rc)
        rc = cox_directory_create(folder, err);
    if (!rc)
        rc = cox_file_read(&bytes, &n, source, LARGEST_OBJECT, err);
    /* a running simulation has it mapped; the same bytes are not written again */
    bool same = !rc && !cox_file_read(&there, &n_there, target, LARGEST_OBJECT, NULL) &&
                n == n_there && !memcmp(bytes, there, n);
    if (!rc && !same)
        rc = cox_file_replace(target, bytes, n, err);
    cox_free(bytes);
    cox_free(there);
    return rc;
}

static int write_settings(const struct install *in, const char *folder, const char *source,
                          struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = join(path, folder, "settings.json", err);
    if (rc)
        return rc;
    struct cox_json *json = cox_json_object();
    cox_json_set_text(json, "precision", in->precision);
    cox_json_set_text(json, "installed_from", source);
    cox_json_set_text(json, "installed_by", "cox " COX_VERSION);
    rc = cox_json_write(json, path, err);
    cox_json_destroy(json);
    return rc;
}

/* KIM sees the model once its object is there, so that comes last. */
static int write_all(const struct install *in, const char *source, struct cox_err *err)
{
    char driver[PATH_MAX], folder[PATH_MAX], path[PATH_MAX];
    int rc = join(driver, in->drivers, COX_KIM_DRIVER, err);
    if (!rc)
        rc = join(folder, in->models, in->name, err);
    if (!rc)
        rc = join(path, folder, "settings.json", err);
    if (!rc && cox_file_is_directory(folder) && !cox_file_exists(path))
        rc = cox_err_set(err, COX_EEXISTS,
                         "'%s' is there and was not made by cox: take another name", folder);
    if (!rc)
        rc = copy(in->from, driver, DRIVER_FILE, err);
    if (!rc)
        rc = cox_directory_create(folder, err);
    if (!rc)
        rc = write_settings(in, folder, source, err);
    if (!rc)
        rc = join(path, folder, "model.dp", err);
    if (!rc)
        rc = cox_dp_model_write(in->model, path, err);
    if (!rc)
        rc = copy(in->from, folder, MODEL_FILE, err);
    return rc;
}

static void tell(const struct install *in)
{
    printf("installed '%s' in %s\n\nin LAMMPS (units metal, real, si, cgs or electron):\n"
           "    pair_style kim %s\n    pair_coeff * *",
           in->name, in->models, in->name);
    for (int t = 0; t < in->model->n_types; t++)
        printf(" %s", in->model->type_name[t]);
    printf("\n");
    if (!in->in_users)
        printf("\nKIM finds it there with\n    export KIM_API_MODEL_DRIVERS_DIR=%s\n"
               "    export KIM_API_PORTABLE_MODELS_DIR=%s\n",
               in->drivers, in->models);
}

/* ---- the command ---- */

/* KIM's items have names that could be a variable's in C. */
static int check(const struct install *in, struct cox_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    if (!in->name[0] || strspn(in->name, letters) != strlen(in->name) ||
        (in->name[0] >= '0' && in->name[0] <= '9') || strlen(in->name) > 200)
        return cox_err_set(err, COX_EINVAL,
                           "NAME is '%s'; KIM allows letters, digits and _, a letter first",
                           in->name);
    if (!strcmp(in->name, COX_KIM_DRIVER))
        return cox_err_set(err, COX_EINVAL, "'%s' is the driver's own name", COX_KIM_DRIVER);
    enum cox_dp_precision known;
    return cox_dp_precision_parse(&known, in->precision, err);
}

static int install(struct install *in, const char *source, const char *collection,
                   struct cox_err *err)
{
    int rc = check(in, err);
    if (!rc)
        rc = cox_dp_model_read(&in->model, source, err);
    if (!rc && in->model->n_fparam && !in->model->fparam_default)
        rc = cox_err_set(err, COX_EUNSUPPORTED,
                         "%s: it needs %d frame parameters, which simulators do not have, and "
                         "names no defaults",
                         source, in->model->n_fparam);
    if (!rc)
        rc = find_objects(in, err);
    if (!rc)
        rc = ask_kim(in, collection, err);
    if (!rc)
        rc = write_all(in, source, err);
    if (!rc)
        tell(in);
    cox_dp_model_destroy(in->model);
    return rc;
}

int cox_potential_kim_install(int argc, char **argv)
{
    const char *precision = "float64", *collection = "user";
    const struct cox_option options[] = {
        {"precision", 0, COX_OPT_TEXT, &precision, "TYPE",
         "of the nets: float64; float32, twice as fast; mix16, three times", 0, 0},
        {"collection", 0, COX_OPT_TEXT, &collection, "user|DIR",
         "KIM's folders of yours, or a folder that KIM is told of", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential kim-install MODEL NAME [options]",
        .description = "Makes a model known to the KIM API under NAME, so that LAMMPS and other\n"
                       "simulators run it: pair_style kim NAME. A model of that name that cox\n"
                       "installed before is replaced.\n\n"
                       "  cox potential kim-install copper.dp copper",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 2,
        .max_operands = 2,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    struct cox_err err = COX_ERR_INIT;
    struct install in = {.name = argv[2], .precision = precision};
    int rc = install(&in, argv[1], collection, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
