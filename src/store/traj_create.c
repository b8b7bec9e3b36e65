/* SPDX-License-Identifier: BSD-3-Clause */
/* Making a file: all that is not frames. */
#include "store/traj.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "molecule/topology.h"
#include "store/traj_internal.h"

static int check_columns(const struct cox_traj_options *options, struct cox_err *err)
{
    if (options->files < 0 || options->file < 0 || options->file > 0xffff ||
        options->file >= (options->files ? options->files : 1))
        return cox_err_set(err, COX_EINVAL, "file %d of %d", options->file, options->files);
    if (options->n_columns < 0 || options->n_columns > COX_TRAJ_MAX_COLUMNS)
        return cox_err_set(err, COX_EINVAL, "%d columns asked for, at most %d are allowed",
                           options->n_columns, COX_TRAJ_MAX_COLUMNS);
    for (int i = 0; i < options->n_columns; i++) {
        const char *name = options->columns[i].name;
        if (!name[0] || strchr(name, '/') || strpbrk(name, "\n\t") || !strcmp(name, "."))
            return cox_err_set(err, COX_EINVAL,
                               "'%s' is no name for a column: '/', tab and line feed are not "
                               "allowed",
                               name);
        for (int j = 0; j < i; j++)
            if (!strcmp(name, options->columns[j].name))
                return cox_err_set(err, COX_EINVAL, "two columns are named '%s'", name);
    }
    return COX_OK;
}

/* /h5md: what the standard asks of every file. */
static int write_header(struct cox_traj *t, const char *author, struct cox_err *err)
{
    const int32_t version[2] = {1, 1};
    struct cox_h5 *f = t->h5;
    int rc = cox_h5_group(f, "/h5md/author", err);
    if (!rc)
        rc = cox_h5_group(f, "/h5md/creator", err);
    if (!rc)
        rc = cox_h5_set_ints(f, "/h5md", "version", 2, version, err);
    if (!rc)
        rc = cox_h5_set_text(f, "/h5md/author", "name", author ? author : "unknown", err);
    if (!rc)
        rc = cox_h5_set_text(f, "/h5md/creator", "name", "coxswain", err);
    if (!rc)
        rc = cox_h5_set_text(f, "/h5md/creator", "version", COX_VERSION, err);
    return rc;
}

static int write_particles(struct cox_traj *t, const struct cox_system *s, struct cox_err *err)
{
    static const int32_t dimension[1] = {3};
    static const char *const none[3] = {"none", "none", "none"};
    static const char *const periodic[3] = {"periodic", "periodic", "periodic"};
    const int64_t n = s->n_atoms;
    struct cox_h5 *f = t->h5;
    int rc = cox_topology_write(f, TRAJ_TOPOLOGY, s, err);
    if (!rc)
        rc = cox_h5_group(f, TRAJ_GROUP "/box", err);
    if (!rc)
        rc = cox_h5_set_ints(f, TRAJ_GROUP "/box", "dimension", 1, dimension, err);
    if (!rc)
        rc = cox_h5_set_texts(f, TRAJ_GROUP "/box", "boundary", 3, t->periodic ? periodic : none,
                              err);
    if (!rc)
        rc = cox_h5_write(f, TRAJ_GROUP "/mass", COX_H5_F64, 1, &n, s->mass_u, err);
    if (!rc)
        rc = cox_h5_set_text(f, TRAJ_GROUP "/mass", "unit", "u", err);
    if (!rc)
        rc = cox_h5_write(f, TRAJ_GROUP "/charge", COX_H5_F64, 1, &n, s->charge_e, err);
    if (!rc)
        rc = cox_h5_set_text(f, TRAJ_GROUP "/charge", "unit", "e", err);
    if (!rc)
        rc = cox_h5_write(f, TRAJ_GROUP "/species", COX_H5_I32, 1, &n, s->element, err);
    if (!rc)
        rc = cox_h5_group(f, "/connectivity", err);
    if (!rc)
        rc = cox_h5_link(f, TRAJ_TOPOLOGY "/bonds", "/connectivity/bonds", err);
    return rc;
}

static int create_edges(struct cox_traj *t, struct cox_err *err)
{
    const int64_t edges[3] = {EDGES_CHUNK, 3, 3};
    int rc = cox_h5_create_growing(t->h5, TRAJ_EDGES, COX_H5_F64, 3, edges, false, err);
    if (!rc)
        rc = cox_h5_set_text(t->h5, TRAJ_EDGES, "unit", "nm", err);
    if (!rc)
        rc = cox_h5_link(t->h5, TRAJ_STEP, TRAJ_GROUP "/box/edges/step", err);
    if (!rc)
        rc = cox_h5_link(t->h5, TRAJ_TIME, TRAJ_GROUP "/box/edges/time", err);
    return rc;
}

static int create_positions(struct cox_traj *t, bool compress, struct cox_err *err)
{
    const int64_t frame[3] = {COX_TRAJ_CHUNK, t->n_atoms, 3};
    const int64_t scalar = SCALAR_CHUNK;
    struct cox_h5 *f = t->h5;
    int rc = cox_h5_create_growing(f, TRAJ_POSITION, COX_H5_F32, 3, frame, compress, err);
    if (!rc)
        rc = cox_h5_set_text(f, TRAJ_POSITION, "unit", "nm", err);
    if (!rc)
        rc = cox_h5_create_growing(f, TRAJ_STEP, COX_H5_I64, 1, &scalar, false, err);
    if (!rc)
        rc = cox_h5_create_growing(f, TRAJ_TIME, COX_H5_F64, 1, &scalar, false, err);
    if (!rc)
        rc = cox_h5_set_text(f, TRAJ_TIME, "unit", "ps", err);
    if (!rc && t->periodic)
        rc = create_edges(t, err);
    if (rc || !t->velocities)
        return rc;
    rc = cox_h5_create_growing(f, TRAJ_VELOCITY, COX_H5_F32, 3, frame, compress, err);
    if (!rc)
        rc = cox_h5_set_text(f, TRAJ_VELOCITY, "unit", "nm ps-1", err);
    if (!rc)
        rc = cox_h5_link(f, TRAJ_STEP, TRAJ_GROUP "/velocity/step", err);
    if (!rc)
        rc = cox_h5_link(f, TRAJ_TIME, TRAJ_GROUP "/velocity/time", err);
    return rc;
}

/* Not compressed: a chunk is written many times while it fills, and a compressed one would be put
 * in a new place each time. */
static int create_column(struct cox_traj *t, int i, struct cox_err *err)
{
    const int64_t scalar = SCALAR_CHUNK;
    const struct cox_traj_column *column = &t->column[i];
    char value[TRAJ_PATH_SIZE];
    char link[TRAJ_PATH_SIZE];
    cox_traj_column_path(t, i, value);
    int rc =
        cox_h5_create_growing(t->h5, value, cox_traj_h5_type(column->type), 1, &scalar, false, err);
    if (!rc && column->unit[0])
        rc = cox_h5_set_text(t->h5, value, "unit", column->unit, err);
    snprintf(link, sizeof link, "/observables/%s/step", column->name);
    if (!rc)
        rc = cox_h5_link(t->h5, TRAJ_STEP, link, err);
    snprintf(link, sizeof link, "/observables/%s/time", column->name);
    if (!rc)
        rc = cox_h5_link(t->h5, TRAJ_TIME, link, err);
    return rc;
}

/* The list of columns as text, one "type TAB name TAB unit" a line: it keeps their order. */
static int write_columns(struct cox_traj *t, struct cox_err *err)
{
    struct cox_str list;
    int rc = cox_h5_group(t->h5, "/observables", err);
    cox_str_init(&list, 8192);
    for (int i = 0; !rc && i < t->n_columns; i++) {
        const struct cox_traj_column *c = &t->column[i];
        cox_str_addf(&list, "%s\t%s\t%s\n", c->type == COX_TRAJ_I32 ? "int32" : "float32", c->name,
                     c->unit);
        rc = create_column(t, i, err);
    }
    if (!rc)
        rc = cox_str_status(&list, err);
    if (!rc)
        rc = cox_h5_set_text(t->h5, "/parameters", "columns", cox_str_text(&list), err);
    cox_str_deinit(&list);
    return rc;
}

static int write_all(struct cox_traj *t, const struct cox_system *system,
                     const struct cox_traj_options *options, struct cox_err *err)
{
    int rc = cox_h5_create_live(&t->h5, t->path, err);
    if (!rc)
        rc = write_header(t, options->author, err);
    if (!rc)
        rc = write_particles(t, system, err);
    if (!rc)
        rc = create_positions(t, options->compress, err);
    if (!rc)
        rc = write_columns(t, err);
    const int32_t part[2] = {t->files, t->file};
    if (!rc)
        rc = cox_h5_set_ints(t->h5, "/parameters", "files", 1, &part[0], err);
    if (!rc)
        rc = cox_h5_set_ints(t->h5, "/parameters", "file", 1, &part[1], err);
    if (!rc)
        rc = cox_h5_publish(t->h5, err);
    return rc;
}

int cox_traj_create(struct cox_traj **out, const char *path, const struct cox_system *system,
                    const struct cox_traj_options *options, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    *out = NULL;
    if (cox_file_exists(path))
        return cox_err_set(err, COX_EEXISTS, "'%s' exists already", path);
    int rc = check_columns(options, err);
    if (!rc)
        rc = cox_traj_alloc(&t, path, err);
    if (rc)
        return cox_err_wrap(err, rc, "creating '%s'", path);
    t->n_atoms = system->n_atoms;
    t->velocities = options->velocities;
    t->periodic = options->periodic;
    t->n_columns = options->n_columns;
    for (int i = 0; i < t->n_columns; i++)
        t->column[i] = options->columns[i];
    t->files = options->files ? options->files : 1;
    t->file = options->file;
    t->compressed = options->compress;
    t->writes = true;
    rc = write_all(t, system, options, err);
    if (rc) {
        cox_traj_destroy(t);
        return rc;
    }
    *out = t;
    return COX_OK;
}
