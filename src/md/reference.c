/* SPDX-License-Identifier: BSD-3-Clause */
#include "md/reference.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

typedef double vec[3];

static void sub(const vec a, const vec b, vec out)
{
    for (int k = 0; k < 3; k++)
        out[k] = a[k] - b[k];
}

static double dot(const vec a, const vec b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const vec a, const vec b, vec out)
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static void add(vec f, double scale, const vec d)
{
    for (int k = 0; k < 3; k++)
        f[k] += scale * d[k];
}

/* A pair force from dE/dr along d = x_i − x_j. */
static void pull(vec *force, int i, int j, const vec d, double r, double dE_dr)
{
    add(force[i], -dE_dr / r, d);
    add(force[j], dE_dr / r, d);
}

static double bonds(const struct cox_system *s, const double (*x)[3], vec *force)
{
    double energy = 0;
    for (int b = 0; b < s->n_bonds; b++) {
        const struct cox_bond *t = &s->bonds[b];
        vec d;
        sub(x[t->atom[0]], x[t->atom[1]], d);
        double r = sqrt(dot(d, d));
        energy += 0.5 * t->k * (r - t->r0_nm) * (r - t->r0_nm);
        pull(force, t->atom[0], t->atom[1], d, r, t->k * (r - t->r0_nm));
    }
    return energy;
}

/* dθ/dx_1 = (u cosθ − v) / (|a| sinθ) with u, v the unit vectors from the middle atom; sinθ from
 * the cross product, which keeps its digits near 0 and π. */
static double angles(const struct cox_system *s, const double (*x)[3], vec *force)
{
    double energy = 0;
    for (int n = 0; n < s->n_angles; n++) {
        const struct cox_angle *t = &s->angles[n];
        vec a, b, c, da, db;
        sub(x[t->atom[0]], x[t->atom[1]], a);
        sub(x[t->atom[2]], x[t->atom[1]], b);
        cross(a, b, c);
        double la = sqrt(dot(a, a)), lb = sqrt(dot(b, b)), area = sqrt(dot(c, c));
        double theta = atan2(area, dot(a, b));
        double cosine = cos(theta), sine = fmax(sin(theta), 1e-12);
        double dE = t->k * (theta - t->theta0_rad);
        energy += 0.5 * t->k * (theta - t->theta0_rad) * (theta - t->theta0_rad);
        for (int k = 0; k < 3; k++) {
            da[k] = (a[k] / la * cosine - b[k] / lb) / (la * sine);
            db[k] = (b[k] / lb * cosine - a[k] / la) / (lb * sine);
            force[t->atom[1]][k] += dE * (da[k] + db[k]);
        }
        add(force[t->atom[0]], -dE, da);
        add(force[t->atom[2]], -dE, db);
    }
    return energy;
}

/* Gradient of φ: Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996), equation 27; φ = 0 is cis.
 */
static double torsions(const struct cox_system *s, const double (*x)[3], vec *force)
{
    double energy = 0;
    for (int n = 0; n < s->n_torsions; n++) {
        const struct cox_torsion *t = &s->torsions[n];
        vec f, g, h, a, b, c;
        sub(x[t->atom[0]], x[t->atom[1]], f);
        sub(x[t->atom[1]], x[t->atom[2]], g);
        sub(x[t->atom[3]], x[t->atom[2]], h);
        cross(f, g, a);
        cross(h, g, b);
        cross(b, a, c);
        double lg = sqrt(dot(g, g)), aa = dot(a, a), bb = dot(b, b);
        double phi = atan2(dot(c, g) / lg, dot(a, b));
        double argument = t->periodicity * phi - t->phase_rad;
        energy += t->k * (1 + cos(argument));
        double dE = -t->k * t->periodicity * sin(argument);
        double fg = dot(f, g) / (aa * lg), hg = dot(h, g) / (bb * lg);
        for (int k = 0; k < 3; k++) {
            double first = -lg / aa * a[k], last = lg / bb * b[k];
            double middle = fg * a[k] - hg * b[k];
            force[t->atom[0]][k] -= dE * first;
            force[t->atom[1]][k] -= dE * (middle - first);
            force[t->atom[2]][k] += dE * (middle + last);
            force[t->atom[3]][k] -= dE * last;
        }
    }
    return energy;
}

/* LJ and Coulomb of one pair; returns dE/dr. */
static double pair_terms(double r, double qq, double sigma, double epsilon, double *lj,
                         double *coulomb)
{
    double s6 = pow(sigma / r, 6);
    *lj += 4 * epsilon * (s6 * s6 - s6);
    *coulomb += COX_COULOMB * qq / r;
    return -24 * epsilon * (2 * s6 * s6 - s6) / r - COX_COULOMB * qq / (r * r);
}

static void pairs(const struct cox_system *s, const double (*x)[3], const char *excluded,
                  struct cox_energies *e, vec *force)
{
    vec d;
    int n = s->n_atoms;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            if (excluded[(size_t)i * (size_t)n + (size_t)j])
                continue;
            sub(x[i], x[j], d);
            double r = sqrt(dot(d, d));
            double dE = pair_terms(r, s->charge_e[i] * s->charge_e[j],
                                   (s->sigma_nm[i] + s->sigma_nm[j]) / 2,
                                   sqrt(s->epsilon[i] * s->epsilon[j]), &e->lj, &e->coulomb);
            pull(force, i, j, d, r, dE);
        }
    for (int p = 0; p < s->n_pairs14; p++) {
        const struct cox_pair14 *t = &s->pairs14[p];
        sub(x[t->atom[0]], x[t->atom[1]], d);
        double r = sqrt(dot(d, d));
        double dE =
            pair_terms(r, t->charge_product, t->sigma_nm, t->epsilon, &e->lj14, &e->coulomb14);
        pull(force, t->atom[0], t->atom[1], d, r, dE);
    }
}

/* The pairwise descreening integral of Hawkins, Cramer, Truhlar, Chem. Phys. Lett. 246, 122 (1995),
 * of an atom of radius rho by a sphere of radius S at r (without the factor ½), and its slope. */
static double descreen(double r, double rho, double S, double *slope)
{
    *slope = 0;
    if (rho >= r + S)
        return 0;
    double gap = fabs(r - S);
    double l = 1 / fmax(rho, gap), u = 1 / (r + S);
    double dl = gap > rho ? (r > S ? -l * l : l * l) : 0, du = -u * u;
    double value =
        l - u + r / 4 * (u * u - l * l) + log(u / l) / (2 * r) + S * S / (4 * r) * (l * l - u * u);
    *slope = (u * u - l * l) / 4 - log(u / l) / (2 * r * r) -
             S * S / (4 * r * r) * (l * l - u * u) +
             (-1 + r * u / 2 + 1 / (2 * r * u) - S * S * u / (2 * r)) * du +
             (1 - r * l / 2 - 1 / (2 * r * l) + S * S * l / (2 * r)) * dl;
    if (rho < S - r) { /* the atom lies inside the sphere */
        value += 2 * (1 / rho - l);
        *slope -= 2 * dl;
    }
    return value;
}

/* Born radii (Onufriev 2004, equation 6) and dB/dI for the integral I = Σ descreen. */
static void born_radii(const struct cox_system *s, const double (*x)[3], double *born,
                       double *slope)
{
    for (int i = 0; i < s->n_atoms; i++) {
        double sum = 0, radius = s->gb_radius_nm[i], rho = radius - COX_OBC_OFFSET_NM, unused;
        for (int j = 0; j < s->n_atoms; j++) {
            vec d;
            if (j == i)
                continue;
            sub(x[i], x[j], d);
            sum += descreen(sqrt(dot(d, d)), rho,
                            s->gb_scale[j] * (s->gb_radius_nm[j] - COX_OBC_OFFSET_NM), &unused);
        }
        double psi = 0.5 * rho * sum;
        double th = tanh(psi * (COX_OBC_ALPHA + psi * (-COX_OBC_BETA + psi * COX_OBC_GAMMA)));
        double inner = COX_OBC_ALPHA + psi * (-2 * COX_OBC_BETA + psi * 3 * COX_OBC_GAMMA);
        born[i] = 1 / (1 / rho - th / radius);
        slope[i] = born[i] * born[i] / radius * (1 - th * th) * inner * 0.5 * rho;
    }
}

/* Still, Tempczyk, Hawley, Hendrickson, JACS 112, 6127 (1990), equations 3 and 4; the surface term
 * as Schaefer, Bartels, Karplus, J. Mol. Biol. 284, 835 (1998): 4π γ (R + probe)² (R/B)⁶.
 * dE_dB collects the derivative by each Born radius. */
static void gb_energy(const struct cox_system *s, const double (*x)[3], const double *born,
                      struct cox_energies *e, vec *force, double *dE_dB)
{
    const double pi = 3.14159265358979323846;
    double pre = -COX_COULOMB * (1 / s->solute_dielectric - 1 / s->solvent_dielectric);
    for (int i = 0; i < s->n_atoms; i++) {
        double self = 0.5 * pre * s->charge_e[i] * s->charge_e[i] / born[i];
        double reach = s->gb_radius_nm[i] + COX_ACE_PROBE_NM;
        double surface =
            4 * pi * s->surface_tension * reach * reach * pow(s->gb_radius_nm[i] / born[i], 6);
        e->gb += self;
        e->surface += surface;
        dE_dB[i] += -self / born[i] - 6 * surface / born[i];
        for (int j = i + 1; j < s->n_atoms; j++) {
            vec d;
            sub(x[i], x[j], d);
            double r2 = dot(d, d), r = sqrt(r2), bb = born[i] * born[j];
            double ex = exp(-r2 / (4 * bb)), f2 = r2 + bb * ex;
            double energy = pre * s->charge_e[i] * s->charge_e[j] / sqrt(f2);
            e->gb += energy;
            pull(force, i, j, d, r, -energy / f2 * r * (1 - ex / 4));
            dE_dB[i] -= 0.5 * energy / f2 * ex * (born[j] + r2 / (4 * born[i]));
            dE_dB[j] -= 0.5 * energy / f2 * ex * (born[i] + r2 / (4 * born[j]));
        }
    }
}

/* Chain rule: E(B(I(r))). */
static void gb_chain(const struct cox_system *s, const double (*x)[3], const double *dE_dB,
                     const double *slope, vec *force)
{
    for (int i = 0; i < s->n_atoms; i++)
        for (int j = 0; j < s->n_atoms; j++) {
            vec d;
            double dI;
            if (j == i)
                continue;
            sub(x[i], x[j], d);
            double r = sqrt(dot(d, d));
            (void)descreen(r, s->gb_radius_nm[i] - COX_OBC_OFFSET_NM,
                           s->gb_scale[j] * (s->gb_radius_nm[j] - COX_OBC_OFFSET_NM), &dI);
            pull(force, i, j, d, r, dE_dB[i] * slope[i] * dI);
        }
}

int cox_forces_ref(const struct cox_system *system, const double (*x)[3],
                   struct cox_energies *energies, double (*force)[3], double *born_nm,
                   struct cox_err *err)
{
    size_t n = (size_t)system->n_atoms;
    struct cox_energies e = {0};
    int rc = COX_OK;
    char *excluded = cox_alloc(n, n);
    vec *f = cox_alloc(n, sizeof *f);
    double *gb = cox_alloc(3 * n, sizeof *gb); /* Born radii, their slopes, dE/dB */
    if (!excluded || !f || !gb) {
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for the reference forces of %d atoms",
                         system->n_atoms);
        goto out;
    }
    for (int k = 0; k < system->n_exclusions; k++)
        excluded[(size_t)system->exclusions[k][0] * n + (size_t)system->exclusions[k][1]] = 1;
    e.bond = bonds(system, x, f);
    e.angle = angles(system, x, f);
    e.torsion = torsions(system, x, f);
    pairs(system, x, excluded, &e, f);
    if (system->solvent == COX_SOLVENT_OBC2) {
        born_radii(system, x, gb, gb + n);
        gb_energy(system, x, gb, &e, f, gb + 2 * n);
        gb_chain(system, x, gb + 2 * n, gb + n, f);
    }
    e.potential =
        e.bond + e.angle + e.torsion + e.lj + e.coulomb + e.lj14 + e.coulomb14 + e.gb + e.surface;
    if (energies)
        *energies = e;
    if (force)
        memcpy(force, f, n * sizeof *f);
    if (born_nm)
        memcpy(born_nm, gb, n * sizeof *gb);
out:
    cox_free(excluded);
    cox_free(f);
    cox_free(gb);
    return rc;
}
