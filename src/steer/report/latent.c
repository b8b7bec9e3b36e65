/* SPDX-License-Identifier: BSD-3-Clause */
/* The map of the latent space: the last model embeds the frames, two principal components. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "learn/cvae.h"
#include "learn/lof.h"
#include "learn/pca.h"
#include "report/chart.h"
#include "report/html.h"
#include "steer/report/figures.h"

struct latent_map {
    double *x, *y, *value, *round; /* [n_mapped] */
    float *latent, *flat;          /* [n_mapped][d], [n_mapped][2] */
    size_t *marked;
    size_t n_marked;
    double explained;
    int d, distinct;
};

static void map_deinit(struct latent_map *m)
{
    cox_free(m->x);
    cox_free(m->y);
    cox_free(m->value);
    cox_free(m->round);
    cox_free(m->latent);
    cox_free(m->flat);
    cox_free(m->marked);
}

static int embed(struct latent_map *m, const struct cox_run_data *run, struct cox_team *team,
                 struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_cvae *cvae = NULL;
    int rc =
        cox_path_join(path, sizeof path, run->directory, run->models[run->n_models - 1].path, err);
    if (!rc)
        rc = cox_cvae_load(&cvae, path, team, err);
    if (!rc && cox_cvae_size(cvae) != run->points.n)
        rc = cox_err_set(err, COX_EINVAL, "'%s' is a model of %d points, the run has %d", path,
                         cox_cvae_size(cvae), run->points.n);
    if (!rc) {
        m->d = cox_cvae_latent(cvae);
        m->latent = cox_alloc((size_t)run->n_mapped * (size_t)m->d, sizeof *m->latent);
        rc = m->latent ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory for the latent map");
    }
    const struct cox_cvae_maps maps = {COX_CVAE_BYTES, run->n_mapped, run->maps, NULL};
    if (!rc)
        rc = cox_cvae_embed(cvae, &maps, m->latent, err);
    cox_cvae_destroy(cvae);
    return rc;
}

static int flatten(struct latent_map *m, const struct cox_run_data *run, struct cox_err *err)
{
    const size_t n = (size_t)run->n_mapped;
    const int components = m->d < 2 ? 1 : 2;
    struct cox_pca pca;
    int rc = cox_pca_fit(&pca, m->latent, (int)n, m->d, components, err);
    m->x = cox_alloc(n, sizeof *m->x);
    m->y = cox_alloc(n, sizeof *m->y);
    m->value = cox_alloc(n, sizeof *m->value);
    m->round = cox_alloc(n, sizeof *m->round);
    m->flat = cox_alloc(n * 2, sizeof *m->flat);
    m->marked = cox_alloc((size_t)run->n_picks, sizeof *m->marked);
    if (!rc && (!m->x || !m->y || !m->value || !m->round || !m->flat || !m->marked))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for the latent map");
    int *first = cox_alloc(n, sizeof *first);
    if (!rc && !first)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for the latent map");
    if (!rc)
        rc = cox_points_distinct(first, &m->distinct, m->latent, (int)n, m->d, err);
    cox_free(first);
    if (!rc) {
        cox_pca_project(&pca, m->flat, m->latent, (int)n);
        m->explained = cox_pca_explained(&pca, components);
    }
    bool maximise;
    const char *label;
    const double *value = cox_figure_measure(run, &label, &maximise);
    for (size_t i = 0; !rc && i < n; i++) {
        m->x[i] = (double)m->flat[i * (size_t)components];
        m->y[i] = components > 1 ? (double)m->flat[i * 2 + 1] : 0;
        m->value[i] = value ? value[run->mapped[i]] : NAN;
        m->round[i] = run->round[run->mapped[i]] + 1;
    }
    cox_pca_deinit(&pca);
    return rc;
}

/* The frames picked in the last round that picked any (streaming: the newest picks, one a replica),
 * as far as they are mapped. */
static void mark_picks(struct latent_map *m, const struct cox_run_data *run)
{
    const int last = run->n_picks ? run->picks[run->n_picks - 1].round : -1;
    int64_t left = run->streaming ? run->lanes : run->n_picks;
    for (int64_t p = run->n_picks; p-- > 0 && left-- > 0;) {
        if (!run->streaming && run->picks[p].round != last)
            break;
        const int64_t frame = cox_run_data_frame(run, run->picks[p].frame);
        int64_t low = 0, high = run->n_mapped;
        while (low < high) {
            const int64_t middle = low + (high - low) / 2;
            if (run->mapped[middle] < frame)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < run->n_mapped && run->mapped[low] == frame)
            m->marked[m->n_marked++] = (size_t)low;
    }
}

static void draw(struct cox_str *page, const struct cox_run_data *run, const struct latent_map *m)
{
    bool maximise;
    const char *label = "";
    const bool measured = cox_figure_measure(run, &label, &maximise) != NULL;
    struct cox_chart c = COX_CHART_INIT;
    c.x_label = "first principal component";
    c.y_label = "second principal component";
    c.height = 460;
    struct cox_chart_scatter d = {.x = m->x,
                                  .y = m->y,
                                  .n = (size_t)run->n_mapped,
                                  .value = m->value,
                                  .value_label = label,
                                  .value_reversed = !maximise,
                                  .marked = m->marked,
                                  .n_marked = m->n_marked,
                                  .marked_name = run->streaming ? "the newest picks"
                                                                : "picked in the last round"};
    cox_html_row_begin(page);
    if (measured) {
        c.title = "Latent space, by what the run is judged by";
        cox_html_figure_begin(page);
        cox_chart_scatter(page, &c, &d);
        cox_html_figure_end(page,
                            "Every dot a frame, embedded by the last model (%d latent dimensions); "
                            "the two components hold %.0f %% of the variance. Equal contact maps "
                            "fall on one place: %d distinct among %lld.",
                            m->d, 100 * m->explained, m->distinct, (long long)run->n_mapped);
    }
    d.value = m->round;
    d.value_label = cox_run_data_round_word(run);
    d.value_reversed = false;
    d.n_marked = 0;
    c.title = run->streaming ? "Latent space, by generation" : "Latent space, by round";
    cox_html_figure_begin(page);
    cox_chart_scatter(page, &c, &d);
    cox_html_figure_end(page, "The same frames; bright: the last %ss.",
                        cox_run_data_round_word(run));
    cox_html_row_end(page);
}

void cox_figure_latent(struct cox_str *page, const struct cox_run_data *run, struct cox_team *team)
{
    struct cox_err err = COX_ERR_INIT;
    struct latent_map m = {0};
    if (!run->n_models || run->n_mapped < 2)
        return;
    int rc = embed(&m, run, team, &err);
    if (!rc)
        rc = flatten(&m, run, &err);
    if (rc == COX_ENOMEM)
        page->status = rc;
    else if (rc)
        cox_html_paragraph(page, "The latent map is left out: %s.", err.text);
    else {
        mark_picks(&m, run);
        draw(page, run, &m);
    }
    map_deinit(&m);
}
