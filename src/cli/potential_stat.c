/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "cli/potential_frames.h"
#include "cli/progress.h"
#include "potential/statistics_of_neighbours.h"

struct counting {
    struct cox_option_texts systems, types;
    const char *list;
    double cutoff;
    long long threads;
    bool mixed, json;

    char names[COX_DP_MAX_TYPES][COX_DP_TYPE_NAME];
    char **paths;
    int n_paths;
    int *one_type; /* all zero, for --mixed-type */
    int one_type_n;
    struct cox_team *team;
    struct cox_neighbours neighbours;
    struct cox_dp_neighbour_statistics found;
    const atomic_int *interrupted;
    struct cox_progress progress;
};

static int one_frame(struct counting *c, const struct cox_dp_data *data, int index, int64_t frame,
                     struct cox_err *err)
{
    struct potential_frame f;
    potential_frame_of(&f, data, frame);
    if (c->mixed && f.n > c->one_type_n) {
        cox_free(c->one_type);
        c->one_type = cox_alloc((size_t)f.n, sizeof *c->one_type);
        c->one_type_n = c->one_type ? f.n : 0;
        if (!c->one_type)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", f.n);
    }
    int rc = cox_neighbours_build(&c->neighbours, f.n, f.x, c->mixed ? c->one_type : f.type,
                                  c->mixed ? 1 : c->types.n, f.box.periodic ? &f.box : NULL,
                                  c->cutoff, err);
    if (rc)
        return cox_err_wrap(err, rc, "system '%s', frame %lld", data->path, (long long)frame);
    cox_dp_neighbour_statistics_add(&c->found, &c->neighbours,
                                    (struct cox_dp_place){.system = index, .frame = frame});
    return COX_OK;
}

static int one_system(struct counting *c, int index, struct cox_err *err)
{
    struct cox_dp_data *data = NULL;
    int rc = cox_dp_data_read(&data, c->paths[index], (const char(*)[COX_DP_TYPE_NAME])c->names,
                              c->types.n, err);
    for (int64_t i = 0; !rc && i < data->n; i++) {
        rc = one_frame(c, data, index, i, err);
        if (!rc && atomic_load(c->interrupted))
            rc = COX_ECANCELLED;
        if (!c->json)
            cox_progress_show(&c->progress, "system %d of %d, frame %lld of %lld", index + 1,
                              c->n_paths, (long long)i + 1, (long long)data->n);
    }
    cox_progress_end(&c->progress);
    cox_dp_data_destroy(data);
    return rc;
}

static void set_place(const struct counting *c, struct cox_json *j, const struct cox_dp_place *at)
{
    cox_json_set_text(j, "system", c->paths[at->system]);
    cox_json_set_int(j, "frame", at->frame);
    cox_json_set_int(j, "atom", at->atom);
}

static void report_json(const struct counting *c)
{
    const struct cox_dp_neighbour_statistics *s = &c->found;
    int n = c->mixed ? 1 : c->types.n;
    struct cox_json *j = cox_json_object();
    struct cox_json *types = cox_json_array();
    cox_json_set_number(j, "rcut", c->cutoff);
    cox_json_set_int(j, "frames", s->frames);
    cox_json_set_number(j, "min_nbor_dist", s->nearest);
    if (isfinite(s->nearest)) {
        struct cox_json *at = cox_json_object();
        set_place(c, at, &s->nearest_at);
        cox_json_set_int(at, "other", s->nearest_at.other);
        cox_json_set(j, "min_nbor_dist_at", at);
    }
    for (int t = 0; t < n; t++) {
        struct cox_json *one = cox_json_object();
        cox_json_set_text(one, "type", c->mixed ? "all" : c->names[t]);
        cox_json_set_int(one, "max_nbor_size", s->most[t]);
        cox_json_set_int(one, "sel", cox_dp_sel_for(s->most[t]));
        if (s->most[t])
            set_place(c, one, &s->at[t]);
        cox_json_push(types, one);
    }
    cox_json_set(j, "types", types);
    char *text = cox_json_text(j, true);
    cox_json_destroy(j);
    fputs(text ? text : "", stdout);
    cox_free(text);
}

static void report(const struct counting *c)
{
    const struct cox_dp_neighbour_statistics *s = &c->found;
    const struct cox_dp_place *near = &s->nearest_at;
    int n = c->mixed ? 1 : c->types.n;
    if (isfinite(s->nearest))
        printf("min_nbor_dist: %f Å (atoms %d and %d, '%s' frame %lld)\n", s->nearest, near->atom,
               near->other, c->paths[near->system], near->frame);
    else
        printf("min_nbor_dist: no two atoms are within %g Å\n", c->cutoff);
    printf("max_nbor_size: [");
    for (int t = 0; t < n; t++)
        printf("%s%d", t ? ", " : "", s->most[t]);
    printf("]\n");
    for (int t = 0; t < n; t++)
        if (s->most[t])
            printf("  %-8s %d around atom %d, '%s' frame %lld\n", c->mixed ? "all" : c->names[t],
                   s->most[t], s->at[t].atom, c->paths[s->at[t].system], s->at[t].frame);
    printf("sel (a tenth more, a multiple of 4): [");
    for (int t = 0; t < n; t++)
        printf("%s%d", t ? ", " : "", cox_dp_sel_for(s->most[t]));
    printf("]\n%lld frames of %d systems, cutoff %g Å\n", s->frames, c->n_paths, c->cutoff);
}

static int run(struct counting *c)
{
    struct cox_err err = COX_ERR_INIT;
    cox_progress_init(&c->progress);
    cox_neighbours_init(&c->neighbours);
    cox_dp_neighbour_statistics_init(&c->found);
    c->interrupted = cox_interrupt_watch();
    int rc = cox_team_create(&c->team, (int)c->threads, &err);
    c->neighbours.team = c->team;
    if (!rc)
        rc = potential_systems(&c->paths, &c->n_paths, &c->systems, c->list, &err);
    for (int i = 0; !rc && i < c->n_paths; i++)
        rc = one_system(c, i, &err);
    if (!rc && c->json)
        report_json(c);
    else if (!rc)
        report(c);
    else if (rc != COX_ECANCELLED)
        fprintf(stderr, "cox: %s\n", err.text);
    cox_neighbours_deinit(&c->neighbours);
    cox_team_destroy(c->team);
    cox_free(c->one_type);
    cox_free(c->paths);
    return rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

static int take_types(struct counting *c)
{
    if (c->types.n > COX_DP_MAX_TYPES) {
        fprintf(stderr, "cox: %d types; %d are possible\n", c->types.n, COX_DP_MAX_TYPES);
        return COX_EXIT_USAGE;
    }
    for (int t = 0; t < c->types.n; t++) {
        if (strlen(c->types.items[t]) >= COX_DP_TYPE_NAME) {
            fprintf(stderr, "cox: the type '%s' has a name of more than %d characters\n",
                    c->types.items[t], COX_DP_TYPE_NAME - 1);
            return COX_EXIT_USAGE;
        }
        snprintf(c->names[t], COX_DP_TYPE_NAME, "%s", c->types.items[t]);
    }
    return -1;
}

int cox_potential_neighbor_stat(int argc, char **argv)
{
    struct counting c = {.cutoff = 0};
    static const char *const several[] = {"-s", "--system", "-t", "--type-map", NULL};
    const struct cox_option options[] = {
        {"system", 's', COX_OPT_TEXTS, &c.systems, "SYSTEM",
         "folder with systems in deepmd/npy, or FILE.h5#/GROUP; several may follow", 0, 0},
        {"datafile", 0, COX_OPT_TEXT, &c.list, "FILE", "a list of systems, one a line", 0, 0},
        {"rcut", 'r', COX_OPT_NUMBER, &c.cutoff, "A", "cutoff", 1e-3, 100},
        {"type-map", 't', COX_OPT_TEXTS, &c.types, "TYPE", "names of the types, in order", 0, 0},
        {"mixed-type", 0, COX_OPT_FLAG, &c.mixed, NULL, "count neighbours of all types together", 0,
         0},
        {"threads", 0, COX_OPT_INT, &c.threads, "N", "0: all processors", 0, 1024},
        {"json", 0, COX_OPT_FLAG, &c.json, NULL, "as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential neighbor-stat -s SYSTEM… -r RCUT -t TYPE… [options]",
        .description =
            "The most neighbours of each type that an atom of the data has, for 'sel', and the\n"
            "smallest distance of two atoms, and where both were found. Looks at every frame.\n\n"
            "  cox potential neighbor-stat -s data -r 6.0 -t O H",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
    };
    int operands = 0;
    int code = potential_spread(&argc, &argv, several);
    if (code < 0)
        code = cox_options_parse(&usage, argc, argv, &operands);
    if (code < 0 && ((!c.systems.n && !c.list) || !(c.cutoff > 0) || !c.types.n)) {
        fprintf(stderr, "cox: %s\nusage: %s\n",
                !c.types.n        ? "say which types there are: -t O H"
                : !(c.cutoff > 0) ? "say how far to look: -r RCUT"
                                  : "say what to look at: -s SYSTEM",
                usage.synopsis);
        code = COX_EXIT_USAGE;
    }
    if (code < 0)
        code = take_types(&c);
    if (code < 0)
        code = run(&c);
    cox_free(argv);
    return code;
}
