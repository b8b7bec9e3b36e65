/* SPDX-License-Identifier: BSD-3-Clause */
/* The dense table of pairs, exclusions and 1-4 interactions baked in, and the atoms' values for
 * generalised Born. */
#include "md/ensemble/plan.h"

#include <math.h>

#include "base/mem.h"

/* Powers of two that pairs.isa.c leaves to the tables: y = 2/r, z = 4/r². */
#define SCALE_A (3.0 / 4096.0)
#define SCALE_B (-3.0 / 128.0)
#define SCALE_QQ (COX_COULOMB / 8.0)

/* Where the values of pair i < j stand: entry *at of the table, the pairs of a block *step apart.
 */
static float *place(const struct ens_plan *p, float *across, float *within, int values, int i,
                    int j, int *step)
{
    const int block = i / p->rows, first = (block + 1) * p->rows;
    if (j < first) {
        *step = 1;
        return within + (size_t)values * (p->offset_in[i] + (size_t)(j - i - 1));
    }
    *step = p->rows;
    return across + (size_t)values * (p->offset[block] + (size_t)(j - first) * (size_t)p->rows) +
           (i - block * p->rows);
}

static int allocate(struct ens_plan *p)
{
    const size_t n = (size_t)p->n, rows = (size_t)p->rows;
    p->offset = cox_alloc((size_t)p->blocks, sizeof *p->offset);
    p->offset_in = cox_alloc(n, sizeof *p->offset_in);
    if (!p->offset || !p->offset_in)
        return COX_ENOMEM;
    size_t across = 0, within = 0;
    for (size_t b = 0; b < (size_t)p->blocks; b++) {
        const size_t first = (b + 1) * rows;
        p->offset[b] = across;
        if (first < n)
            across += (n - first) * rows;
        for (size_t i = b * rows; i < first && i < n; i++) {
            const size_t end = first < n ? first : n;
            p->offset_in[i] = within;
            within += end - i - 1;
        }
    }
    p->lj = cox_alloc(across, 3 * sizeof(float));
    p->gb = cox_alloc(across, sizeof(float));
    p->lj_in = cox_alloc(within, 3 * sizeof(float));
    p->gb_in = cox_alloc(within, sizeof(float));
    return p->lj && p->gb && p->lj_in && p->gb_in ? COX_OK : COX_ENOMEM;
}

static void lorentz_berthelot(const struct cox_system *s, int i, int j, double *a, double *b)
{
    const double sigma = 0.5 * (s->sigma_nm[i] + s->sigma_nm[j]), s6 = pow(sigma, 6);
    const double epsilon = sqrt(s->epsilon[i] * s->epsilon[j]);
    *a = 4 * epsilon * s6 * s6;
    *b = 4 * epsilon * s6;
}

static void fill(struct ens_plan *p, const struct cox_system *s)
{
    const double kappa =
        p->solvent ? COX_COULOMB * (1 / s->solute_dielectric - 1 / s->solvent_dielectric) : 0;
    for (int i = 0; i < p->n; i++)
        for (int j = i + 1; j < p->n; j++) {
            int step;
            const double qq = s->charge_e[i] * s->charge_e[j];
            double a, b;
            lorentz_berthelot(s, i, j, &a, &b);
            float *lj = place(p, p->lj, p->lj_in, 3, i, j, &step);
            lj[0] = (float)(SCALE_A * a);
            lj[step] = (float)(SCALE_B * b);
            lj[2 * step] = (float)(SCALE_QQ * qq);
            *place(p, p->gb, p->gb_in, 1, i, j, &step) = (float)(-kappa * qq / 8);
        }
    for (int e = 0; e < s->n_exclusions; e++) {
        int step, i = s->exclusions[e][0], j = s->exclusions[e][1];
        float *lj = place(p, p->lj, p->lj_in, 3, i < j ? i : j, i < j ? j : i, &step);
        lj[0] = lj[step] = lj[2 * step] = 0;
    }
}

static int add_14(struct ens_plan *p, const struct cox_system *s)
{
    p->pairs14 = cox_alloc((size_t)s->n_pairs14, sizeof *p->pairs14);
    if (!p->pairs14)
        return COX_ENOMEM;
    for (int t = 0; t < s->n_pairs14; t++) {
        const struct cox_pair14 *pair = &s->pairs14[t];
        const int a = pair->atom[0], b = pair->atom[1];
        const double s6 = pow(pair->sigma_nm, 6), c6 = 4 * pair->epsilon * s6;
        const struct ens_pair14 q = {a < b ? a : b, a < b ? b : a, (float)(SCALE_A * c6 * s6),
                                     (float)(SCALE_B * c6),
                                     (float)(SCALE_QQ * pair->charge_product)};
        int step;
        float *lj = place(p, p->lj, p->lj_in, 3, q.i, q.j, &step);
        lj[0] += q.a;
        lj[step] += q.b;
        lj[2 * step] += q.qq;
        p->pairs14[p->n_pairs14++] = q;
    }
    return COX_OK;
}

int ens_plan_pairs(struct ens_plan *p, const struct cox_system *system)
{
    int rc = allocate(p);
    if (rc)
        return rc;
    fill(p, system);
    return add_14(p, system);
}

/* Σ_k 2k/(2k + 1) y^(k-1) on [0, 0.18]: the largest relative error of it and of its derivative's
 * polynomial, whose coefficients are (k + 2) times these, is least (5e-5 both, alternating in
 * sign); by reweighted least squares on Chebyshev nodes. Total forces and energies do not feel it:
 * with a range of 0.1 (4e-6) they are as near to the reference, but more pairs need the exact
 * formula. */
static const double far_series[ENS_TERMS] = {0.666633409, 0.804020483, 0.775009542, 1.42765523};

static int born_cuts(struct ens_plan *p)
{
    const int n = p->n;
    double rho_max = 0;
    double *cut = cox_alloc((size_t)n, sizeof *cut);
    double *block = cox_alloc((size_t)p->blocks, sizeof *block);
    p->block_cut = cox_alloc((size_t)p->blocks, sizeof *p->block_cut);
    if (!cut || !block || !p->block_cut)
        goto fail;
    for (int i = 0; i < n; i++)
        rho_max = fmax(rho_max, (double)p->rho[i]);
    /* Far means that the series converges well and that spheres do not overlap. */
    for (int i = 0; i < n; i++) {
        const double s = (double)p->scaled[i];
        cut[i] = fmax(s / sqrt(ENS_FAR_ARGUMENT), s + rho_max);
    }
    for (int b = 0; b < p->blocks; b++) {
        double most = 0;
        for (int i = b * p->rows; i < (b + 1) * p->rows && i < n; i++)
            most = fmax(most, cut[i]);
        int c = 0;
        while (c < p->n_cuts && block[c] < most)
            c++;
        if (c == p->n_cuts || block[c] > most) { /* kept sorted; earlier blocks' numbers move */
            for (int k = p->n_cuts; k > c; k--)
                block[k] = block[k - 1];
            for (int e = 0; e < b; e++)
                p->block_cut[e] += p->block_cut[e] >= c;
            block[c] = most;
            p->n_cuts++;
        }
        p->block_cut[b] = c;
    }
    p->cut2 = cox_alloc((size_t)p->n_cuts * (size_t)n, sizeof *p->cut2);
    if (!p->cut2)
        goto fail;
    for (int c = 0; c < p->n_cuts; c++)
        for (int j = 0; j < n; j++)
            p->cut2[(size_t)c * (size_t)n + (size_t)j] = (float)pow(fmax(block[c], cut[j]), 2);
    cox_free(cut);
    cox_free(block);
    return COX_OK;
fail:
    cox_free(cut);
    cox_free(block);
    return COX_ENOMEM;
}

int ens_plan_born(struct ens_plan *p, const struct cox_system *s, struct cox_err *err)
{
    const size_t n = (size_t)p->n;
    float **const values[] = {&p->rho, &p->scaled, &p->inv_radius, &p->self, &p->surface};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (!(*values[i] = cox_alloc(n, sizeof(float))))
            return COX_ENOMEM;
    p->far = cox_alloc(n, ENS_TERMS * sizeof(float));
    p->chain = cox_alloc(n, ENS_TERMS * sizeof(float));
    if (!p->far || !p->chain)
        return COX_ENOMEM;
    const double kappa = COX_COULOMB * (1 / s->solute_dielectric - 1 / s->solvent_dielectric);
    for (int i = 0; i < p->n; i++) {
        const double radius = s->gb_radius_nm[i], rho = radius - 0.009;
        const double scaled = rho * s->gb_scale[i];
        if (!(rho > 0) || !(scaled >= 0))
            return cox_err_set(
                err, COX_EINVAL,
                "atom %d has GB radius %g nm and scale %g; OBC2 wants a radius above "
                "0.009 nm and a scale of 0 or more",
                i, radius, s->gb_scale[i]);
        p->rho[i] = (float)rho;
        p->scaled[i] = (float)scaled;
        p->inv_radius[i] = (float)(1 / radius);
        p->self[i] = (float)(0.5 * kappa * s->charge_e[i] * s->charge_e[i]);
        p->surface[i] =
            (float)(4 * M_PI * s->surface_tension * pow(radius + 0.14, 2) * pow(radius, 6));
        for (int k = 0; k < ENS_TERMS; k++) {
            const double c = far_series[k] * pow(scaled, 2 * k + 3);
            p->far[i * ENS_TERMS + k] = (float)c;
            p->chain[i * ENS_TERMS + k] = (float)(2 * (k + 2) * c / pow(4, k + 3));
        }
    }
    const size_t all = n * (n - 1) / 2, usual = 48 * n;
    p->close_capacity = (int)(all < usual ? all : usual);
    return born_cuts(p);
}
