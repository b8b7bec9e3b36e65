/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "store/extract.h"
#include "store/lineage.h"

struct pathway {
    int64_t frame;
    struct cox_lineage lineage;
    char start[700]; /* "title (path)" of the start structure */
};

static double leg_ns(const struct cox_leg *leg)
{
    return (double)leg->n * leg->frame_ps * 1e-3;
}

static double total_ns(const struct pathway *p)
{
    double sum = 0;
    for (int i = 0; i < p->lineage.n; i++)
        sum += leg_ns(&p->lineage.legs[i]);
    return sum;
}

static int64_t total_frames(const struct pathway *p)
{
    int64_t sum = 0;
    for (int i = 0; i < p->lineage.n; i++)
        sum += p->lineage.legs[i].n;
    return sum;
}

/* "35-39"; "120…356 (7)" where the frames do not follow one another in the files. */
static void name_frames(const struct cox_leg *leg, char *out, size_t size)
{
    const int64_t first = leg->n ? leg->ids[0] : 0;
    const int64_t last = leg->n ? leg->ids[leg->n - 1] : 0;
    bool close = true;
    for (int64_t k = 1; k < leg->n; k++)
        close = close && leg->ids[k] == leg->ids[k - 1] + 1;
    if (!leg->n)
        snprintf(out, size, "none");
    else if (close)
        snprintf(out, size, "%" PRId64 "-%" PRId64, first, last);
    else
        snprintf(out, size, "%" PRId64 "..%" PRId64 " (%" PRId64 ")", first, last, leg->n);
}

/* ---- printing ---- */

static void print_table(const struct pathway *p)
{
    printf("start: %s\n", p->start);
    printf("%8s %6s %5s %8s %12s %20s %17s %10s %10s\n", "segment", "round", "lane", "parent",
           "from frame", "seed", "frames", "ns", "total ns");
    double sum = 0;
    for (int i = 0; i < p->lineage.n; i++) {
        const struct cox_leg *leg = &p->lineage.legs[i];
        const struct cox_catalog_segment *s = &leg->segment;
        char parent[24] = "-";
        char frame[24] = "-";
        char frames[64];
        sum += leg_ns(leg);
        if (s->parent_segment >= 0)
            snprintf(parent, sizeof parent, "%" PRId64, s->parent_segment);
        if (s->continued)
            snprintf(frame, sizeof frame, "goes on");
        else if (s->parent_frame >= 0)
            snprintf(frame, sizeof frame, "%" PRId64, s->parent_frame);
        name_frames(leg, frames, sizeof frames);
        printf("%8" PRId64 " %6d %5d %8s %12s %20" PRIu64 " %17s %10.4f %10.4f\n", s->id, s->round,
               s->lane, parent, frame, s->seed, frames, leg_ns(leg), sum);
    }
    printf("%d segments, %" PRId64 " frames, %.4f ns from the start to frame %" PRId64 "\n",
           p->lineage.n, total_frames(p), total_ns(p), p->frame);
}

static struct cox_json *leg_json(const struct cox_leg *leg)
{
    const struct cox_catalog_segment *s = &leg->segment;
    char seed[24];
    struct cox_json *json = cox_json_object();
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    cox_json_set_int(json, "segment", s->id);
    cox_json_set_int(json, "round", s->round);
    cox_json_set_int(json, "lane", s->lane);
    if (s->parent_segment >= 0)
        cox_json_set_int(json, "parent_segment", s->parent_segment);
    if (s->parent_frame >= 0)
        cox_json_set_int(json, "parent_frame", s->parent_frame);
    cox_json_set_bool(json, "continued", s->continued);
    cox_json_set_bool(json, "steered", s->steered);
    cox_json_set_text(json, "seed", seed); /* 64 bits: more than a JSON number holds */
    cox_json_set_number(json, "temperature_K", s->temperature_K);
    cox_json_set_text(json, "engine", s->engine);
    cox_json_set_int(json, "frames", leg->n);
    if (leg->n) {
        cox_json_set_int(json, "first_frame", leg->ids[0]);
        cox_json_set_int(json, "last_frame", leg->ids[leg->n - 1]);
    }
    cox_json_set_number(json, "ns", leg_ns(leg));
    return json;
}

static int print_json(const struct pathway *p, const char *run, const char *path,
                      struct cox_err *err)
{
    struct cox_json *json = cox_json_object();
    struct cox_json *legs = cox_json_array();
    for (int i = 0; i < p->lineage.n; i++)
        cox_json_push(legs, leg_json(&p->lineage.legs[i]));
    cox_json_set_text(json, "run", run);
    cox_json_set_int(json, "frame", p->frame);
    cox_json_set_text(json, "start", p->start);
    cox_json_set_int(json, "frames", total_frames(p));
    cox_json_set_number(json, "ns", total_ns(p));
    cox_json_set(json, "segments", legs);
    if (path)
        cox_json_set_text(json, "file", path);
    char *text = cox_json_text(json, true);
    cox_json_destroy(json);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    printf("%s", text);
    cox_free(text);
    return COX_OK;
}

/* ---- the trajectory ---- */

/* Steps and time run on along the pathway, from 0 at the start structure. */
static int write_legs(struct cox_extract *extract, const struct pathway *p, struct cox_err *err)
{
    const atomic_int *stop = cox_interrupt_watch();
    int rc = COX_OK;
    int64_t step = 0;
    double time_ps = 0;
    for (int i = 0; i < p->lineage.n; i++) {
        const struct cox_leg *leg = &p->lineage.legs[i];
        for (int64_t k = 0; !rc && k < leg->n; k++) {
            step += leg->steps_per_frame;
            time_ps += leg->frame_ps;
            rc = cox_extract_frame(extract, leg->ids[k], step, time_ps, leg->segment.id, err);
            if (!rc && *stop)
                rc = cox_err_set(err, COX_ECANCELLED, "interrupted; no file was written");
        }
    }
    return rc;
}

static int write_pathway(const struct pathway *p, struct cox_follow *follow, const char *path,
                         bool superpose, struct cox_err *err)
{
    const struct cox_leg *last = &p->lineage.legs[p->lineage.n - 1];
    const struct cox_extract_options options = {.paths = {path},
                                                .n_paths = 1,
                                                .superpose = superpose,
                                                .frame_ps = last->frame_ps,
                                                .steps_per_frame = last->steps_per_frame};
    struct cox_extract *extract = NULL;
    int rc = cox_extract_create(&extract, follow, &options, err);
    if (!rc)
        rc = write_legs(extract, p, err);
    if (rc) {
        cox_extract_abandon(extract);
        return rc;
    }
    return cox_extract_close(extract, err);
}

static int find_pathway(struct pathway *p, struct cox_catalog *catalog, struct cox_follow *follow,
                        struct cox_err *err)
{
    struct cox_catalog_start *starts = NULL;
    int64_t n = 0;
    int rc = cox_lineage_find(&p->lineage, catalog, follow, p->frame, err);
    if (!rc)
        rc = cox_catalog_starts(catalog, &starts, &n, err);
    for (int64_t i = 0; !rc && i < n; i++)
        if (starts[i].id == p->lineage.legs[0].segment.start)
            snprintf(p->start, sizeof p->start, "%s%s(%s)", starts[i].title,
                     starts[i].title[0] ? " " : "", starts[i].path);
    cox_free(starts);
    return rc;
}

static int lineage(const char *run, struct pathway *p, const char *path, bool superpose,
                   bool as_json, struct cox_err *err)
{
    struct cox_follow *follow = NULL;
    struct cox_catalog *catalog = NULL;
    int64_t frames = 0;
    int rc = cox_extract_open(&follow, &catalog, &frames, run, err);
    if (!rc && !catalog)
        rc = cox_err_set(err, COX_EINVAL, "'%s' is a file; a run directory is needed", run);
    if (!rc && p->frame < 0)
        p->frame += frames;
    if (!rc)
        rc = find_pathway(p, catalog, follow, err);
    if (!rc && path)
        rc = write_pathway(p, follow, path, superpose, err);
    if (!rc && as_json) {
        rc = print_json(p, run, path, err);
    } else if (!rc) {
        print_table(p);
        if (path)
            printf("written to %s\n", path);
    }
    cox_catalog_close(catalog);
    cox_follow_close(follow);
    cox_lineage_deinit(&p->lineage);
    return rc;
}

int cox_cmd_lineage(int argc, char **argv)
{
    const char *path = NULL;
    bool superpose = false;
    bool as_json = false;
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXT, &path, "FILE", "write the pathway: .dcd, .xtc, .pdb or .h5",
         0, 0},
        {"superpose", 0, COX_OPT_FLAG, &superpose, NULL, "superpose on the first frame (CA)", 0, 0},
        {"json", 0, COX_OPT_FLAG, &as_json, NULL, "print the table as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox lineage RUN FRAME [-o PATHWAY.xtc] [options]",
        .description =
            "Shows how a frame of a run came about: the segments from a start structure to it,\n"
            "and writes them as one trajectory. Frames are counted from 0; -1 is the last.\n\n"
            "  cox lineage run 12345 -o folding.xtc",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 2,
        .max_operands = 2,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    long long frame = 0;
    if (cox_parse_int(argv[2], &frame)) {
        fprintf(stderr, "cox: FRAME must be a whole number, not '%s'\nusage: %s\n", argv[2],
                usage.synopsis);
        return COX_EXIT_USAGE;
    }
    struct cox_err err = COX_ERR_INIT;
    struct pathway p = {.frame = frame};
    int rc = lineage(argv[1], &p, path, superpose, as_json, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    if (rc == COX_ECANCELLED)
        return COX_EXIT_INTERRUPTED;
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
