/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox potential rdf`: radial distribution functions of trajectories, as a table or a figure. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "cli/potential_run.h"
#include "dynamics/frames.h"
#include "report/chart.h"

#define MAX_CURVES 8
#define PANEL_WIDTH 720
#define PANEL_HEIGHT 300
#define MOST_BYTES ((size_t)1 << 26)

/* ---- writing ---- */

static int write_csv(const char *path, const struct potential_curves *c, int n, struct cox_err *err)
{
    struct cox_str text;
    char name[64];
    cox_str_init(&text, MOST_BYTES);
    cox_str_add(&text, "r_A");
    for (int i = 0; i < n; i++)
        for (int p = 0; p < cox_rdf_pairs(c[i].rdf); p++) {
            cox_rdf_pair_name(c[i].rdf, p, name, sizeof name);
            cox_str_addf(&text, ",%s%s%s", c[i].name ? c[i].name : "", c[i].name ? " " : "", name);
        }
    cox_str_add(&text, "\n");
    for (int bin = 0; bin < cox_rdf_bins(c[0].rdf); bin++) {
        cox_str_addf(&text, "%.8g", cox_rdf_r(c[0].rdf, bin));
        for (int i = 0; i < n; i++)
            for (int p = 0; p < cox_rdf_pairs(c[i].rdf); p++)
                cox_str_addf(&text, ",%.8g", cox_rdf_value(c[i].rdf, p, bin));
        cox_str_add(&text, "\n");
    }
    int rc = cox_str_status(&text, err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    cox_str_deinit(&text);
    return rc;
}

/* A bond's peak would hide all else: where the rest is below a third of it the axis ends above the
 * rest, and the title says how high the peak is. NaN: from the data. */
static double ceiling(const struct potential_curves *c, int n, int pair, double *peak,
                      double *peak_A)
{
    double rest = 0;
    *peak = 0;
    for (int i = 0; i < n; i++)
        for (int bin = 0; pair < cox_rdf_pairs(c[i].rdf) && bin < cox_rdf_bins(c[i].rdf); bin++)
            if (cox_rdf_value(c[i].rdf, pair, bin) > *peak) {
                *peak = cox_rdf_value(c[i].rdf, pair, bin);
                *peak_A = cox_rdf_r(c[i].rdf, bin);
            }
    for (int i = 0; i < n; i++)
        for (int bin = 0; pair < cox_rdf_pairs(c[i].rdf) && bin < cox_rdf_bins(c[i].rdf); bin++)
            if (cox_rdf_r(c[i].rdf, bin) > *peak_A + 0.5)
                rest = fmax(rest, cox_rdf_value(c[i].rdf, pair, bin));
    return rest > 0 && *peak > 3 * rest ? 1.4 * rest : NAN;
}

/* The panel of one pair, all sets in it; y [n][bins]. */
static void panel(struct cox_str *out, const struct potential_curves *c, int n, int pair,
                  const double *r, double *y)
{
    struct cox_chart chart = COX_CHART_INIT;
    struct cox_chart_series series[MAX_CURVES];
    const int bins = cox_rdf_bins(c[0].rdf);
    char name[64], title[128];
    double peak = 0, peak_A = 0;
    int at = 0;
    memset(series, 0, sizeof series);
    for (int i = 0; i < n; i++) {
        if (pair >= cox_rdf_pairs(c[i].rdf))
            continue;
        for (int bin = 0; bin < bins; bin++)
            y[at * bins + bin] = cox_rdf_value(c[i].rdf, pair, bin);
        series[at] = (struct cox_chart_series){.name = c[i].name,
                                               .x = r,
                                               .y = y + (ptrdiff_t)at * bins,
                                               .n = (size_t)bins,
                                               .dashed = i > 0,
                                               .colour = i % 8 + 1};
        at++;
    }
    cox_rdf_pair_name(c[0].rdf, pair, name, sizeof name);
    chart.y_max = ceiling(c, n, pair, &peak, &peak_A);
    snprintf(title, sizeof title, "%s", name);
    if (isfinite(chart.y_max))
        snprintf(title, sizeof title, "%s (the peak at %.2f Å reaches %.3g)", name, peak_A, peak);
    chart.title = title;
    chart.x_label = "r (Å)";
    chart.y_label = "g(r)";
    chart.width = PANEL_WIDTH;
    chart.height = PANEL_HEIGHT;
    chart.x_min = 0;
    chart.x_max = r[bins - 1];
    chart.y_min = 0;
    cox_chart_lines(out, &chart, series, at);
}

static int write_svg(const char *path, const struct potential_curves *c, int n, struct cox_err *err)
{
    struct cox_str text;
    const int bins = cox_rdf_bins(c[0].rdf), pairs = cox_rdf_pairs(c[0].rdf);
    double *r = cox_alloc((size_t)bins, sizeof *r);
    double *y = cox_alloc((size_t)bins * MAX_CURVES, sizeof *y);
    cox_str_init(&text, MOST_BYTES);
    cox_str_addf(&text,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                 "viewBox=\"0 0 %d %d\" color=\"#222\">"
                 "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>",
                 PANEL_WIDTH, PANEL_HEIGHT * pairs, PANEL_WIDTH, PANEL_HEIGHT * pairs);
    for (int bin = 0; r && bin < bins; bin++)
        r[bin] = cox_rdf_r(c[0].rdf, bin);
    for (int p = 0; r && y && p < pairs; p++) {
        cox_str_addf(&text, "<g transform=\"translate(0 %d)\">", p * PANEL_HEIGHT);
        panel(&text, c, n, p, r, y);
        cox_str_add(&text, "</g>");
    }
    cox_str_add(&text, "</svg>\n");
    int rc = r && y ? cox_str_status(&text, err)
                    : cox_err_set(err, COX_ENOMEM, "out of memory for a figure");
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    cox_str_deinit(&text);
    cox_free(r);
    cox_free(y);
    return rc;
}

int potential_rdf_write(const char *path, const struct potential_curves *curves, int n,
                        struct cox_err *err)
{
    if (cox_str_ends(path, ".csv"))
        return write_csv(path, curves, n, err);
    if (cox_str_ends(path, ".svg"))
        return write_svg(path, curves, n, err);
    return cox_err_set(err, COX_EINVAL, "'%s': output is a .csv or a .svg", path);
}

/* ---- reading ---- */

struct command {
    struct cox_option_texts output;
    double r_A;
    long long bins, from, every;
    bool json;
};

/* PATH@N begins with its frame N. */
static int add_file(struct cox_rdf *rdf, struct cox_dyn_start *frame, char *path,
                    const struct command *c, struct cox_err *err)
{
    struct cox_dyn_frames *frames = NULL;
    char *at = strrchr(path, '@');
    long long from = c->from;
    if (at && !cox_parse_int(at + 1, &from) && from >= 0)
        *at = '\0';
    int rc = cox_dyn_frames_open(&frames, path, err);
    for (int64_t i = 0; !rc; i++) {
        rc = cox_dyn_frames_next(frames, frame, err);
        if (rc || i < from || (i - from) % c->every)
            continue;
        rc = cox_rdf_add(rdf, frame->n, (const double(*)[3])frame->x, frame->species,
                         (const char(*)[COX_DP_TYPE_NAME])frame->name, frame->n_names, &frame->box,
                         err);
        if (rc)
            rc = cox_err_wrap(err, rc, "%s, frame %lld", path, (long long)i);
    }
    cox_dyn_frames_close(frames);
    return rc == COX_ENOTFOUND && frame->n ? COX_OK : rc;
}

/* One operand: NAME=PATH,PATH… or PATH,PATH…; `room` keeps its name. */
static int one_curve(struct potential_curves *out, struct cox_rdf **rdf, char *operand,
                     const struct command *c, struct cox_err *err)
{
    struct cox_dyn_start frame;
    char *paths = strchr(operand, '=');
    out->name = operand;
    if (paths)
        *paths++ = '\0';
    else
        paths = operand;
    cox_dyn_start_init(&frame);
    int rc = cox_rdf_create(rdf, c->r_A, (int)c->bins, err);
    out->rdf = *rdf;
    for (char *path = paths; !rc && *path;) {
        char one[4096];
        size_t length = strcspn(path, ",");
        snprintf(one, sizeof one, "%.*s", (int)length, path);
        path += length + (path[length] == ',');
        rc = add_file(*rdf, &frame, one, c, err);
    }
    if (!rc && !cox_rdf_frames(*rdf))
        rc = cox_err_set(err, COX_EINVAL, "'%s' has no frame from %lld on", paths, c->from);
    cox_dyn_start_deinit(&frame);
    return rc;
}

static void print_peaks(const struct potential_curves *c, int n, bool json)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < n; i++)
        for (int p = 0; p < cox_rdf_pairs(c[i].rdf); p++) {
            char pair[64];
            int best = 0;
            struct cox_json *j = cox_json_object();
            cox_rdf_pair_name(c[i].rdf, p, pair, sizeof pair);
            for (int bin = 0; bin < cox_rdf_bins(c[i].rdf); bin++)
                if (cox_rdf_value(c[i].rdf, p, bin) > cox_rdf_value(c[i].rdf, p, best))
                    best = bin;
            double r = cox_rdf_r(c[i].rdf, best), g = cox_rdf_value(c[i].rdf, p, best);
            if (!json)
                printf("%s%s%s: %lld frames, highest %.3f at %.3f A\n", c[i].name ? c[i].name : "",
                       c[i].name ? " " : "", pair, (long long)cox_rdf_frames(c[i].rdf), g, r);
            cox_json_set_text(j, "name", c[i].name);
            cox_json_set_text(j, "pair", pair);
            cox_json_set_int(j, "frames", cox_rdf_frames(c[i].rdf));
            cox_json_set_number(j, "peak_A", r);
            cox_json_set_number(j, "peak", g);
            cox_json_push(list, j);
        }
    char *text = json ? cox_json_text(list, true) : NULL;
    if (text)
        printf("%s", text);
    cox_free(text);
    cox_json_destroy(list);
}

static int run(const struct command *c, int n, char **operands)
{
    struct cox_err err = COX_ERR_INIT;
    struct potential_curves curves[MAX_CURVES] = {{NULL, NULL}};
    struct cox_rdf *rdf[MAX_CURVES] = {NULL};
    int rc = COX_OK;
    for (int i = 0; !rc && i < n; i++)
        rc = one_curve(&curves[i], &rdf[i], operands[i], c, &err);
    if (n == 1)
        curves[0].name = NULL;
    for (int i = 0; !rc && i < c->output.n; i++)
        rc = potential_rdf_write(c->output.items[i], curves, n, &err);
    if (!rc)
        print_peaks(curves, n, c->json);
    else
        fprintf(stderr, "cox: %s\n", err.text);
    for (int i = 0; i < n; i++)
        cox_rdf_destroy(rdf[i]);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

int cox_potential_rdf(int argc, char **argv)
{
    struct command c = {.r_A = 6, .bins = 200, .every = 1};
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXTS, &c.output, "FILE", ".csv or .svg; may be given twice", 0, 0},
        {"r-max", 'r', COX_OPT_NUMBER, &c.r_A, "A", "largest distance", 0.1, 100},
        {"bins", 'b', COX_OPT_INT, &c.bins, "N", "of distance", 1, 100000},
        {"from", 0, COX_OPT_INT, &c.from, "N", "first frame of each file, from 0", 0, 9e15},
        {"every", 0, COX_OPT_INT, &c.every, "N", "frames", 1, 9e15},
        {"json", 0, COX_OPT_FLAG, &c.json, NULL, "peaks as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential rdf TRAJ… [-o rdf.csv] [-o rdf.svg] [options]",
        .description =
            "Radial distribution functions of all pairs of types, averaged over frames.\n"
            "TRAJ is .h5 or .xyz as `cox potential run` writes them, or a deepmd/npy folder;\n"
            "NAME=A,B takes several files as one set of curves, named so in table and figure; "
            "A@100\n"
            "begins with frame 100 of A.\n\n"
            "  cox potential rdf DP=w330/traj.h5@40 AIMD=data_0,data_1 -o water.svg -o water.csv",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = MAX_CURVES,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    return code >= 0 ? code : run(&c, operands, argv + 1);
}
