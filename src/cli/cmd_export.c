/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "store/extract.h"

struct settings {
    const char *dcd, *xtc, *pdb;
    const char *select, *frames;
    long long lane;
    bool superpose, json;
};

/* Steps and times of the frames; with them the spacing that DCD's header asks for. */
static int read_times(struct cox_follow *follow, const int64_t *ids, int64_t n, int64_t *step,
                      double *time_ps, struct cox_extract_options *options, struct cox_err *err)
{
    int rc = cox_follow_times(follow, ids, n, step, time_ps, err);
    options->frame_ps = 1;
    options->steps_per_frame = 1;
    if (!rc && n > 1 && step[1] > step[0] && time_ps[1] > time_ps[0]) {
        options->frame_ps = time_ps[1] - time_ps[0];
        options->steps_per_frame = step[1] - step[0];
    }
    return rc;
}

static int check_suffix(const char *path, const char *suffix, struct cox_err *err)
{
    if (!path || cox_str_ends(path, suffix))
        return COX_OK;
    return cox_err_set(err, COX_EINVAL, "'%s' must end in %s", path, suffix);
}

static int choose_files(const struct settings *s, struct cox_extract_options *options,
                        struct cox_err *err)
{
    int rc = check_suffix(s->dcd, ".dcd", err);
    if (!rc)
        rc = check_suffix(s->xtc, ".xtc", err);
    if (!rc)
        rc = check_suffix(s->pdb, ".pdb", err);
    if (s->dcd)
        options->paths[options->n_paths++] = s->dcd;
    if (s->xtc)
        options->paths[options->n_paths++] = s->xtc;
    if (s->pdb)
        options->paths[options->n_paths++] = s->pdb;
    options->select = s->select;
    options->superpose = s->superpose;
    return rc;
}

static int report(const char *from, const struct cox_extract_options *options, int64_t frames,
                  int atoms, bool as_json, struct cox_err *err)
{
    if (!as_json) {
        for (int i = 0; i < options->n_paths; i++)
            printf("%s: %lld frame%s of %d atoms\n", options->paths[i], (long long)frames,
                   frames == 1 ? "" : "s", atoms);
        return COX_OK;
    }
    struct cox_json *json = cox_json_object();
    struct cox_json *files = cox_json_array();
    for (int i = 0; i < options->n_paths; i++)
        cox_json_push_text(files, options->paths[i]);
    cox_json_set_text(json, "input", from);
    cox_json_set(json, "files", files);
    cox_json_set_int(json, "frames", frames);
    cox_json_set_int(json, "atoms", atoms);
    cox_json_set_bool(json, "superposed", options->superpose);
    char *text = cox_json_text(json, true);
    cox_json_destroy(json);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    printf("%s", text);
    cox_free(text);
    return COX_OK;
}

static int write_frames(struct cox_follow *follow, const int64_t *ids, int64_t n,
                        struct cox_extract_options *options, int *atoms, struct cox_err *err)
{
    const atomic_int *stop = cox_interrupt_watch();
    struct cox_extract *extract = NULL;
    int64_t *step = cox_alloc((size_t)n, sizeof *step);
    double *time_ps = cox_alloc((size_t)n, sizeof *time_ps);
    int rc = step && time_ps
                 ? read_times(follow, ids, n, step, time_ps, options, err)
                 : cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)n);
    if (!rc)
        rc = cox_extract_create(&extract, follow, options, err);
    for (int64_t i = 0; !rc && i < n; i++) {
        rc = cox_extract_frame(extract, ids[i], step[i], time_ps[i], -1, err);
        if (!rc && *stop)
            rc = cox_err_set(err, COX_ECANCELLED, "interrupted; no file was written");
    }
    if (rc) {
        cox_extract_abandon(extract);
    } else {
        *atoms = cox_extract_atoms(extract);
        rc = cox_extract_close(extract, err);
    }
    cox_free(step);
    cox_free(time_ps);
    return rc;
}

static int export(const char *from, const struct settings *s, struct cox_err *err)
{
    struct cox_follow *follow = NULL;
    struct cox_catalog *catalog = NULL;
    struct cox_extract_options options = {0};
    int64_t *ids = NULL;
    int64_t frames = 0;
    int64_t n = 0;
    int atoms = 0;
    int rc = choose_files(s, &options, err);
    if (!rc)
        rc = cox_extract_open(&follow, &catalog, &frames, from, err);
    if (!rc)
        rc = cox_extract_ids(&ids, &n, follow, frames, s->frames, (int)s->lane, err);
    if (!rc)
        rc = write_frames(follow, ids, n, &options, &atoms, err);
    if (!rc)
        rc = report(from, &options, n, atoms, s->json, err);
    cox_free(ids);
    cox_catalog_close(catalog);
    cox_follow_close(follow);
    return rc;
}

int cox_cmd_export(int argc, char **argv)
{
    struct settings s = {.lane = -1};
    const struct cox_option options[] = {
        {"dcd", 0, COX_OPT_TEXT, &s.dcd, "FILE", "write a DCD (CHARMM, NAMD)", 0, 0},
        {"xtc", 0, COX_OPT_TEXT, &s.xtc, "FILE", "write an XTC (GROMACS; rounded to 0.01 A)", 0, 0},
        {"pdb", 0, COX_OPT_TEXT, &s.pdb, "FILE", "write a PDB, one model per frame", 0, 0},
        {"select", 0, COX_OPT_TEXT, &s.select, "EXPR", "atoms, e.g. \"backbone\", \"resid 3-8\"", 0,
         0},
        {"frames", 0, COX_OPT_TEXT, &s.frames, "A:B:C",
         "frames A to B (without B), every C-th; or one number", 0, 0},
        {"lane", 0, COX_OPT_INT, &s.lane, "N", "only frames of this lane", 0, 1e9},
        {"superpose", 0, COX_OPT_FLAG, &s.superpose, NULL, "superpose on the first frame (CA)", 0,
         0},
        {"json", 0, COX_OPT_FLAG, &s.json, NULL, "print the result as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox export RUN|TRAJECTORY.h5 (--dcd|--xtc|--pdb) FILE [options]",
        .description = "Writes frames of a run or of a trajectory for viewers and other programs.\n"
                       "Frames are counted from 0; negative numbers count from the end.\n\n"
                       "  cox export run --xtc all.xtc --superpose\n"
                       "  cox export run --pdb last.pdb --frames -1 --select \"protein and heavy\"",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if (!s.dcd && !s.xtc && !s.pdb) {
        fprintf(stderr, "cox: say what to write: --dcd, --xtc or --pdb FILE\nusage: %s\n",
                usage.synopsis);
        return COX_EXIT_USAGE;
    }
    struct cox_err err = COX_ERR_INIT;
    int rc = export(argv[1], &s, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    if (rc == COX_ECANCELLED)
        return COX_EXIT_INTERRUPTED;
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
