/* SPDX-License-Identifier: BSD-3-Clause */
/* Predictions: blocks of rows, each through all members while their weights are in the cache. Mean
 * and spread by Welford's updates, member after member. */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "learn/regressor_net.h"

/* Enough to use a weight often once it is loaded, few enough for the second-level cache. */
#define BLOCK 128

struct cox_regressor_workspace {
    float *x, *act[2], *scaled;
};

struct prediction {
    const struct cox_regressor *regressor;
    struct cox_regressor_workspace **workspaces; /* [threads] */
    int64_t n;
    const double *x;
    double *out; /* [n][out], or the members' apart: [K][n][out] */
    bool apart;
    double *sd; /* may be NULL */
};

static int64_t block_rows(int64_t n)
{
    return n < BLOCK ? n : BLOCK;
}

static int workspace_create(struct cox_regressor_workspace **out, const struct cox_regressor *r,
                            int64_t rows, struct cox_err *err)
{
    const size_t n = (size_t)rows, widest = (size_t)cox_regressor_widest(r);
    struct cox_regressor_workspace *w = *out = cox_alloc(1, sizeof *w);
    if (w) {
        w->x = cox_alloc(n, (size_t)r->n_in * sizeof(float));
        w->act[0] = cox_alloc(n, widest * sizeof(float));
        w->act[1] = cox_alloc(n, widest * sizeof(float));
        w->scaled = cox_alloc(n, (size_t)r->n_out * sizeof(float));
        if (w->x && w->act[0] && w->act[1] && w->scaled)
            return COX_OK;
    }
    cox_regressor_workspace_destroy(w);
    *out = NULL;
    return cox_err_set(err, COX_ENOMEM, "regressor: out of memory for predictions");
}

int cox_regressor_workspace_create(struct cox_regressor_workspace **out,
                                   const struct cox_regressor *regressor, struct cox_err *err)
{
    return workspace_create(out, regressor, BLOCK, err);
}

void cox_regressor_workspace_destroy(struct cox_regressor_workspace *w)
{
    if (!w)
        return;
    cox_free(w->x);
    cox_free(w->act[0]);
    cox_free(w->act[1]);
    cox_free(w->scaled);
    cox_free(w);
}

/* Adds member k's answers of `rows` rows to mean and (if wanted) sums of squares. */
static void accumulate(const struct cox_regressor *r, int k, int64_t rows, const float *scaled,
                       double *mean, double *squares)
{
    const double *least = r->outputs.least, *width = r->outputs.width, share = 1.0 / (k + 1);
    for (int64_t i = 0; i < rows; i++, scaled += r->n_out, mean += r->n_out) {
        for (int j = 0; j < r->n_out; j++) {
            /* a constant output has width 0; one without values is NaN by its range */
            const double v = least[j] + width[j] * (double)scaled[j];
            if (k == 0) {
                mean[j] = v;
                if (squares)
                    squares[j] = v - v; /* 0, or NaN */
                continue;
            }
            const double d = v - mean[j];
            mean[j] += d * share;
            if (squares)
                squares[j] += d * (v - mean[j]);
        }
        squares = squares ? squares + r->n_out : NULL;
    }
}

static void predict_block(const struct prediction *p, struct cox_regressor_workspace *w,
                          int64_t first)
{
    const struct cox_regressor *r = p->regressor;
    const int members = r->options.members;
    const int64_t rows = block_rows(p->n - first), out = r->n_out;
    for (int64_t i = 0; i < rows; i++)
        cox_regressor_scale_input(r, p->x + (first + i) * r->n_in, w->x + i * r->n_in);
    double *squares = p->sd ? p->sd + first * out : NULL;
    for (int k = 0; k < members; k++) {
        cox_regressor_forward(r, &r->members[k], (int)rows, w->x, w->act, w->scaled);
        if (p->apart)
            accumulate(r, 0, rows, w->scaled, p->out + (k * p->n + first) * out, NULL);
        else
            accumulate(r, k, rows, w->scaled, p->out + first * out, squares);
    }
    for (int64_t i = 0; squares && members > 1 && i < rows * out; i++)
        squares[i] = sqrt(squares[i] / (members - 1));
}

static void work(void *user, int item, int thread)
{
    const struct prediction *p = user;
    predict_block(p, p->workspaces[thread], (int64_t)item * BLOCK);
}

static int check(const struct prediction *p, struct cox_err *err)
{
    const struct cox_regressor *r = p->regressor;
    if (!r->trained)
        return cox_err_set(err, COX_EINVAL, "regressor: a prediction of a model not yet trained");
    if (p->n < 0 || p->n / BLOCK >= INT32_MAX)
        return cox_err_set(err, COX_EINVAL, "regressor: %" PRId64 " rows to predict", p->n);
    for (int64_t i = 0; i < p->n; i++)
        for (int j = 0; j < r->n_in; j++)
            if (!isfinite(p->x[i * r->n_in + j]))
                return cox_err_set(err, COX_EINVAL,
                                   "regressor: input %d of row %" PRId64
                                   " is %g, a finite number is needed",
                                   j, i, p->x[i * r->n_in + j]);
    return COX_OK;
}

static int predict_on_team(struct prediction *p, struct cox_err *err)
{
    struct cox_team *team = p->regressor->team;
    const int threads = team ? cox_team_threads(team) : 1,
              blocks = (int)((p->n + BLOCK - 1) / BLOCK);
    int rc = COX_OK;
    p->workspaces = cox_alloc((size_t)threads, sizeof(struct cox_regressor_workspace *));
    if (!p->workspaces)
        return cox_err_set(err, COX_ENOMEM, "regressor: out of memory for predictions");
    for (int i = 0; i < threads && rc == COX_OK; i++)
        rc = workspace_create(&p->workspaces[i], p->regressor, block_rows(p->n), err);
    if (rc == COX_OK)
        cox_team_run(team, blocks, work, p);
    for (int i = 0; i < threads; i++)
        cox_regressor_workspace_destroy(p->workspaces[i]);
    cox_free(p->workspaces);
    return rc;
}

static int predict(struct prediction *p, struct cox_regressor_workspace *workspace,
                   struct cox_err *err)
{
    const int rc = check(p, err);
    if (rc || p->n == 0)
        return rc;
    if (!workspace)
        return predict_on_team(p, err);
    for (int64_t first = 0; first < p->n; first += BLOCK)
        predict_block(p, workspace, first);
    return COX_OK;
}

int cox_regressor_predict(const struct cox_regressor *regressor,
                          struct cox_regressor_workspace *workspace, int64_t n, const double *x,
                          double *mean, double *sd, struct cox_err *err)
{
    struct prediction p = {.regressor = regressor, .n = n, .x = x, .out = mean, .sd = sd};
    return predict(&p, workspace, err);
}

int cox_regressor_predict_members(const struct cox_regressor *regressor,
                                  struct cox_regressor_workspace *workspace, int64_t n,
                                  const double *x, double *values, struct cox_err *err)
{
    struct prediction p = {.regressor = regressor, .n = n, .x = x, .out = values, .apart = true};
    return predict(&p, workspace, err);
}
