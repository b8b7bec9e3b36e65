/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/prepare.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/digest.h"
#include "molecule/gromacs.h"
#include "molecule/obc.h"
#include "molecule/pdb.h"
#include "molecule/prmtop.h"
#include "molecule/sequence.h"

#define MAXIMUM_INPUT ((size_t)1 << 30)

static const char *input_of(const struct cox_prepare_options *o)
{
    return o->pdb ? o->pdb : o->prmtop ? o->prmtop : o->sequence;
}

static void add_notes(struct cox_json *json, const char *notes)
{
    struct cox_json *list = cox_json_array();
    while (*notes) {
        size_t n = strcspn(notes, "\n");
        char *line = cox_strndup(notes, n);
        cox_json_push_text(list, line);
        cox_free(line);
        notes += n + (notes[n] == '\n');
    }
    cox_json_set(json, "notes", list);
}

static int digest_of(const char *path, char hex[65], struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int rc = cox_file_read(&bytes, &length, path, MAXIMUM_INPUT, err);
    if (!rc)
        cox_sha256_hex(bytes, length, hex);
    cox_free(bytes);
    return rc;
}

/* Names of files without their folders: the same input gives the same file anywhere. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int set_provenance(struct cox_system *s, const struct cox_prepare_options *o,
                          const char *gromacs_version, const char *notes, struct cox_err *err)
{
    char hex[65];
    struct cox_json *json = cox_json_object();
    cox_json_set_text(json, "program", "cox " COX_VERSION);
    if (o->command)
        cox_json_set_text(json, "command", o->command);
    int rc = COX_OK;
    if (o->sequence) {
        cox_json_set_text(json, "sequence", o->sequence);
        cox_json_set_number(json, "phi_deg", o->phi_deg);
        cox_json_set_number(json, "psi_deg", o->psi_deg);
    } else {
        cox_json_set_text(json, "input", base_name(input_of(o)));
        rc = digest_of(input_of(o), hex, err);
        cox_json_set_text(json, "input_sha256", hex);
    }
    if (!rc && o->prmtop) {
        cox_json_set_text(json, "coordinates", base_name(o->coordinates));
        rc = digest_of(o->coordinates, hex, err);
        cox_json_set_text(json, "coordinates_sha256", hex);
        cox_json_set_text(json, "radii", o->radii ? o->radii : "of the prmtop");
    } else {
        cox_json_set_text(json, "forcefield", o->forcefield);
        cox_json_set_text(json, "gromacs", gromacs_version);
        cox_json_set_text(json, "radii", o->radii ? o->radii : "amber99-obc");
    }
    add_notes(json, notes);
    char *text = cox_json_text(json, false);
    cox_json_destroy(json);
    if (!rc && !text)
        rc = cox_err_set(err, COX_ENOMEM, "no memory for the provenance");
    if (rc) {
        cox_free(text);
        return rc;
    }
    cox_free(s->provenance);
    s->provenance = text;
    return COX_OK;
}

static int set_solvent(struct cox_system *s, const struct cox_prepare_options *o,
                       struct cox_err *err)
{
    enum cox_radii radii = COX_RADII_AMBER99_OBC;
    int rc = o->radii ? cox_radii_of_name(o->radii, &radii, err) : COX_OK;
    if (!rc && (o->radii || !o->prmtop))
        rc = cox_obc_assign(s, radii, err);
    else if (!rc && s->gb_radius_nm[0] == 0)
        rc = cox_err_set(
            err, COX_EINVAL,
            "'%s' has no GB radii (sections RADII and SCREEN): choose some with --radii",
            o->prmtop);
    if (rc)
        return rc;
    s->solvent = strcmp(o->solvent, "obc2") ? COX_SOLVENT_VACUUM : COX_SOLVENT_OBC2;
    s->surface_tension = o->surface_tension;
    return COX_OK;
}

static void set_name(struct cox_system *s, const struct cox_prepare_options *o)
{
    const char *name = o->name ? o->name : base_name(input_of(o));
    size_t n = strlen(name);
    const char *dot = strrchr(name, '.');
    if (!o->name && !o->sequence && dot && dot > name)
        n = (size_t)(dot - name);
    snprintf(s->name, sizeof s->name, "%.*s", (int)n, name);
}

static int read_model(struct cox_pdb **out, const struct cox_prepare_options *o,
                      struct cox_err *err)
{
    if (o->sequence) {
        struct cox_sequence_options options = COX_SEQUENCE_OPTIONS_INIT;
        options.phi_deg = o->phi_deg;
        options.psi_deg = o->psi_deg;
        options.cap = o->cap;
        return cox_sequence_build(out, o->sequence, &options, err);
    }
    struct cox_pdb_options options = COX_PDB_OPTIONS_INIT;
    options.model = o->model;
    int rc = cox_pdb_read(out, o->pdb, &options, err);
    if (!rc)
        rc = cox_pdb_rename_charmm(*out, err);
    if (!rc)
        rc = cox_pdb_check_complete(*out, o->pdb, err);
    return rc;
}

static int by_gromacs(struct cox_system **out, struct cox_str *notes,
                      const struct cox_prepare_options *o, char version[64], struct cox_err *err)
{
    struct cox_pdb *pdb = NULL;
    int rc = read_model(&pdb, o, err);
    if (!rc) {
        struct cox_gromacs_options options = {.forcefield = o->forcefield,
                                              .program = o->gmx,
                                              .label = input_of(o),
                                              .cancel = o->cancel};
        cox_str_add(notes, pdb->notes);
        rc = cox_gromacs_prepare(out, pdb, &options, version, err);
    }
    cox_pdb_destroy(pdb);
    return rc;
}

static int check_options(const struct cox_prepare_options *o, struct cox_err *err)
{
    int given = (o->pdb != NULL) + (o->sequence != NULL) + (o->prmtop != NULL);
    enum cox_radii ignored;
    if (given != 1)
        return cox_err_set(err, COX_EINVAL, "give one of a PDB, a sequence and a prmtop, not %d",
                           given);
    if (strcmp(o->solvent, "obc2") != 0 && strcmp(o->solvent, "vacuum") != 0)
        return cox_err_set(err, COX_EINVAL, "unknown solvent '%s'; allowed are 'obc2', 'vacuum'",
                           o->solvent);
    if (o->prmtop && !o->coordinates)
        return cox_err_set(err, COX_EINVAL,
                           "a prmtop needs coordinates: give an inpcrd or rst7 too");
    return o->radii ? cox_radii_of_name(o->radii, &ignored, err) : COX_OK;
}

int cox_prepare(struct cox_system **out, struct cox_str *notes, const struct cox_prepare_options *o,
                struct cox_err *err)
{
    char version[64] = "";
    struct cox_system *s = NULL;
    *out = NULL;
    int rc = check_options(o, err);
    if (!rc && o->prmtop)
        rc = cox_prmtop_read(&s, o->prmtop, o->coordinates, notes, err);
    else if (!rc)
        rc = by_gromacs(&s, notes, o, version, err);
    if (!rc)
        rc = cox_str_status(notes, err);
    if (!rc) {
        set_name(s, o);
        rc = set_solvent(s, o, err);
    }
    if (!rc)
        rc = set_provenance(s, o, version, cox_str_text(notes), err);
    if (!rc)
        rc = cox_system_check(s, err);
    if (rc) {
        cox_system_destroy(s);
        return rc;
    }
    *out = s;
    return COX_OK;
}
