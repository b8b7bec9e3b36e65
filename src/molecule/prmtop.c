/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/prmtop.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "molecule/elements.h"
#include "molecule/prmtop_sections.h"
#include "molecule/residues.h"

#define MAXIMUM_BYTES ((size_t)1 << 30)
#define KCAL 4.184     /* kJ */
#define ANGSTROM 0.1   /* nm */
#define CHARGE 18.2223 /* Amber's unit: sqrt(kcal/mol Å) to e */

enum {
    NATOM,
    NTYPES,
    NBONH,
    MBONA,
    NTHETH,
    MTHETA,
    NPHIH,
    MPHIA,
    NHPARM,
    NPARM,
    NNB,
    NRES,
    NBONA,
    NTHETA,
    NPHIA,
    NUMBND,
    NUMANG,
    NPTRA,
    NATYP,
    NPHB,
    IFPERT,
    NBPER,
    NGPER,
    NDPER,
    MBPER,
    MGPER,
    MDPER,
    IFBOX,
    NMXRS,
    IFCAP,
    NUMEXTRA,
    N_POINTERS
};

struct reader {
    struct cox_prmtop_file file;
    int pointers[N_POINTERS];
    struct cox_str *notes;
    struct cox_err *err;
    /* Tables that several sections refer to, owned. */
    int *type, *index, *excluded_count, *excluded;
    double *lj_a, *lj_b, *scee, *scnb;
    double *sigma_nm, *epsilon; /* of each type */
    struct cox_growing bonds, angles, torsions, pairs, exclusions;
    struct cox_system *system;
};

static int fail(const struct reader *r, const char *flag, const char *what, int index)
{
    const struct cox_prmtop_section *s = cox_prmtop_find(&r->file, flag);
    return cox_err_set(r->err, COX_EFORMAT, "%s:%d: section '%s': %s (entry %d)", r->file.label,
                       s ? s->line : 1, flag, what, index + 1);
}

static int unsupported(const struct reader *r, const char *flag, const char *what)
{
    const struct cox_prmtop_section *s = cox_prmtop_find(&r->file, flag);
    return cox_err_set(r->err, COX_EUNSUPPORTED, "%s:%d: %s", r->file.label, s ? s->line : 1, what);
}

static int read_pointers(struct reader *r)
{
    static const char *const foreign[] = {
        "CTITLE",     "CHARMM_UREY_BRADLEY_COUNT", "CHARMM_CMAP_COUNT",
        "CMAP_COUNT", "LENNARD_JONES_CCOEF",       "LENNARD_JONES_14_ACOEF"};
    static const char *const words[] = {
        "this is a CHARMM topology (CHAMBER), not one of an Amber force field",
        "Urey-Bradley terms are not supported",
        "CMAP terms are not supported",
        "CMAP terms are not supported (ff19SB has them; use ff14SB or ff99SB)",
        "the 12-6-4 potential is not supported",
        "a separate table of 1-4 interactions is not supported"};
    for (int i = 0; i < (int)(sizeof foreign / sizeof foreign[0]); i++)
        if (cox_prmtop_find(&r->file, foreign[i]))
            return unsupported(r, foreign[i], words[i]);
    int *pointers = cox_prmtop_ints(&r->file, "POINTERS", N_POINTERS);
    if (!pointers)
        return COX_EFORMAT;
    memcpy(r->pointers, pointers, sizeof r->pointers);
    cox_free(pointers);
    for (int i = 0; i < N_POINTERS; i++)
        if (r->pointers[i] < 0 || r->pointers[i] > 100000000)
            return fail(r, "POINTERS", "a number out of range", i);
    if (r->pointers[NATOM] < 1 || r->pointers[NTYPES] < 1 || r->pointers[NTYPES] > 10000 ||
        r->pointers[NRES] < 1)
        return fail(r, "POINTERS", "no atoms, types or residues", 0);
    /* Before anything is allocated for them. */
    const struct cox_prmtop_section *charges = cox_prmtop_find(&r->file, "CHARGE");
    if (!charges)
        return cox_err_set(r->err, COX_EFORMAT, "%s: section 'CHARGE' is missing", r->file.label);
    if ((size_t)r->pointers[NATOM] > charges->length || r->pointers[NRES] > r->pointers[NATOM])
        return fail(r, "POINTERS", "more atoms than section CHARGE has, or more residues", NATOM);
    if (r->pointers[NUMEXTRA])
        return unsupported(r, "POINTERS", "extra points (virtual sites) are not supported");
    if (r->pointers[IFPERT])
        return unsupported(r, "POINTERS", "perturbed topologies are not supported");
    if (r->pointers[IFBOX])
        cox_str_add(r->notes, "the periodic box was left out: the system is not periodic\n");
    if (cox_prmtop_find(&r->file, "IPOL")) {
        int *ipol = cox_prmtop_ints(&r->file, "IPOL", 1);
        int polarisable = ipol ? ipol[0] : 0;
        cox_free(ipol);
        if (!ipol)
            return COX_EFORMAT;
        if (polarisable)
            return unsupported(r, "IPOL", "polarisable force fields are not supported");
    }
    return COX_OK;
}

/* A and B of a pair of types, kcal/mol Å^12 and Å^6; 0 for a 10-12 pair without energy. */
static int pair_coefficients(const struct reader *r, int i, int j, double *a, double *b)
{
    int n = r->pointers[NTYPES];
    int at = r->index[i * n + j];
    *a = *b = 0;
    if (at < 0 && -at <= r->pointers[NPHB])
        return COX_OK;
    if (at < 1 || at > n * (n + 1) / 2)
        return fail(r, "NONBONDED_PARM_INDEX", "an index out of range", i * n + j);
    *a = r->lj_a[at - 1];
    *b = r->lj_b[at - 1];
    return COX_OK;
}

static int read_lennard_jones(struct reader *r)
{
    int n = r->pointers[NTYPES];
    r->index = cox_prmtop_ints(&r->file, "NONBONDED_PARM_INDEX", n * n);
    if (!r->index)
        return COX_EFORMAT;
    r->lj_a = cox_prmtop_doubles(&r->file, "LENNARD_JONES_ACOEF", n * (n + 1) / 2);
    r->lj_b = r->lj_a ? cox_prmtop_doubles(&r->file, "LENNARD_JONES_BCOEF", n * (n + 1) / 2) : NULL;
    if (!r->lj_b)
        return COX_EFORMAT;
    if (r->pointers[NPHB]) {
        double *a = cox_prmtop_doubles(&r->file, "HBOND_ACOEF", r->pointers[NPHB]);
        double *b = a ? cox_prmtop_doubles(&r->file, "HBOND_BCOEF", r->pointers[NPHB]) : NULL;
        bool acts = false;
        for (int i = 0; b && i < r->pointers[NPHB]; i++)
            acts |= a[i] != 0 || b[i] != 0;
        cox_free(a);
        cox_free(b);
        if (!b)
            return COX_EFORMAT;
        if (acts)
            return unsupported(r, "HBOND_ACOEF", "10-12 hydrogen bond terms are not supported");
    }
    r->sigma_nm = cox_alloc((size_t)n, sizeof(double));
    r->epsilon = cox_alloc((size_t)n, sizeof(double));
    if (!r->sigma_nm || !r->epsilon)
        return cox_err_set(r->err, COX_ENOMEM, "no memory for %d atom types", n);
    for (int i = 0; i < n; i++) {
        double a;
        double b;
        int rc = pair_coefficients(r, i, i, &a, &b);
        if (rc)
            return rc;
        r->sigma_nm[i] = a > 0 && b > 0 ? ANGSTROM * pow(a / b, 1.0 / 6) : 0;
        r->epsilon[i] = a > 0 ? KCAL * b * b / (4 * a) : 0;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double a;
            double b;
            int rc = pair_coefficients(r, i, j, &a, &b);
            if (rc)
                return rc;
            double s = 0.5 * (r->sigma_nm[i] + r->sigma_nm[j]) / ANGSTROM;
            double s6 = pow(s, 6);
            double four = 4 * sqrt(r->epsilon[i] * r->epsilon[j]) / KCAL;
            if (fabs(a - four * s6 * s6) > 1e-4 * a + 1e-6 || fabs(b - four * s6) > 1e-4 * b + 1e-6)
                return cox_err_set(
                    r->err, COX_EUNSUPPORTED,
                    "%s: the Lennard-Jones parameters of atom types %d and %d do not "
                    "follow the Lorentz-Berthelot rules (NBFIX?)",
                    r->file.label, i + 1, j + 1);
        }
    return COX_OK;
}

static bool valid_atom(const struct reader *r, int times_three)
{
    return times_three >= 0 && times_three % 3 == 0 && times_three / 3 < r->pointers[NATOM];
}

/* Bonds and angles: n terms of `width` atoms and a parameter. */
static int read_terms(struct reader *r, const char *flag, int n, int width, const double *k,
                      const double *equilibrium, int n_parameters)
{
    int *values = cox_prmtop_ints(&r->file, flag, n * (width + 1));
    int rc = values ? COX_OK : COX_EFORMAT;
    for (int i = 0; !rc && i < n; i++) {
        const int *v = values + (size_t)i * (size_t)(width + 1);
        int p = v[width] - 1;
        for (int a = 0; a < width; a++)
            if (!valid_atom(r, v[a]))
                rc = fail(r, flag, "an atom out of range", i);
        if (!rc && (p < 0 || p >= n_parameters))
            rc = fail(r, flag, "a parameter out of range", i);
        if (rc)
            break;
        if (width == 2) {
            /* Amber writes k (r - r0)², without the half. */
            struct cox_bond bond = {{v[0] / 3, v[1] / 3},
                                    ANGSTROM * equilibrium[p],
                                    2 * KCAL * k[p] / (ANGSTROM * ANGSTROM)};
            rc = cox_growing_add(&r->bonds, &bond, r->err);
        } else {
            struct cox_angle angle = {
                {v[0] / 3, v[1] / 3, v[2] / 3}, equilibrium[p], 2 * KCAL * k[p]};
            rc = cox_growing_add(&r->angles, &angle, r->err);
        }
    }
    cox_free(values);
    return rc;
}

static int read_bonds_or_angles(struct reader *r, bool angles)
{
    int n = r->pointers[angles ? NUMANG : NUMBND];
    int width = angles ? 3 : 2;
    const char *const prefix = angles ? "ANGLE" : "BOND";
    char flag[40];
    snprintf(flag, sizeof flag, "%s_FORCE_CONSTANT", prefix);
    double *k = cox_prmtop_doubles(&r->file, flag, n);
    snprintf(flag, sizeof flag, "%s_EQUIL_VALUE", prefix);
    double *equilibrium = k ? cox_prmtop_doubles(&r->file, flag, n) : NULL;
    int rc = equilibrium ? COX_OK : COX_EFORMAT;
    snprintf(flag, sizeof flag, "%sS_INC_HYDROGEN", prefix);
    if (!rc)
        rc = read_terms(r, flag, r->pointers[angles ? NTHETH : NBONH], width, k, equilibrium, n);
    snprintf(flag, sizeof flag, "%sS_WITHOUT_HYDROGEN", prefix);
    if (!rc)
        rc = read_terms(r, flag, r->pointers[angles ? NTHETA : NBONA], width, k, equilibrium, n);
    cox_free(k);
    cox_free(equilibrium);
    return rc;
}

struct dihedral_types {
    double *k, *periodicity, *phase;
};

/* A third index below zero says that the ends are no 1-4 pair of their own (a further term, a
 * ring); a fourth one, that it is an improper. */
static int add_dihedral(struct reader *r, const char *flag, const int *v, int i,
                        const struct dihedral_types *types)
{
    int atom[4];
    int p = v[4] - 1;
    if (p < 0 || p >= r->pointers[NPTRA])
        return fail(r, flag, "a parameter out of range", i);
    for (int a = 0; a < 4; a++) {
        int value = a >= 2 && v[a] < 0 ? -v[a] : v[a];
        if (!valid_atom(r, value))
            return fail(r, flag, "an atom out of range", i);
        atom[a] = value / 3;
    }
    if (types->k[p] != 0) {
        double periodicity = fabs(types->periodicity[p]);
        struct cox_torsion t = {{atom[0], atom[1], atom[2], atom[3]},
                                periodicity < 100 ? (int)lround(periodicity) : 0,
                                v[3] < 0,
                                types->phase[p],
                                KCAL * types->k[p]};
        if (t.periodicity < 1 || t.periodicity > 6)
            return fail(r, "DIHEDRAL_PERIODICITY", "a periodicity that is not 1 to 6", p);
        int rc = cox_growing_add(&r->torsions, &t, r->err);
        if (rc)
            return rc;
    }
    if (v[2] < 0 || v[3] < 0)
        return COX_OK;
    if (!(r->scee[p] > 0) || !(r->scnb[p] > 0))
        return fail(r, "SCEE_SCALE_FACTOR", "a 1-4 pair with a scale factor of zero", p);
    const double *charge = r->system->charge_e;
    const int type[2] = {r->type[atom[0]] - 1, r->type[atom[3]] - 1};
    bool ascending = atom[0] < atom[3];
    struct cox_pair14 pair = {{ascending ? atom[0] : atom[3], ascending ? atom[3] : atom[0]},
                              charge[atom[0]] * charge[atom[3]] / r->scee[p],
                              0.5 * (r->sigma_nm[type[0]] + r->sigma_nm[type[1]]),
                              sqrt(r->epsilon[type[0]] * r->epsilon[type[1]]) / r->scnb[p]};
    return cox_growing_add(&r->pairs, &pair, r->err);
}

/* Topologies from before Amber 11 have no scale factors: 1.2 and 2 then. */
static double *scale_factors(struct reader *r, const char *flag, double usual)
{
    int n = r->pointers[NPTRA];
    if (cox_prmtop_find(&r->file, flag))
        return cox_prmtop_doubles(&r->file, flag, n);
    double *factors = cox_alloc((size_t)n, sizeof *factors);
    for (int i = 0; factors && i < n; i++)
        factors[i] = usual;
    if (!factors)
        cox_err_set(r->err, COX_ENOMEM, "no memory for %d scale factors", n);
    return factors;
}

static int read_dihedrals(struct reader *r)
{
    static const char *const flags[] = {"DIHEDRALS_INC_HYDROGEN", "DIHEDRALS_WITHOUT_HYDROGEN"};
    const int counts[] = {r->pointers[NPHIH], r->pointers[NPHIA]};
    int n = r->pointers[NPTRA];
    struct dihedral_types types = {0};
    types.k = cox_prmtop_doubles(&r->file, "DIHEDRAL_FORCE_CONSTANT", n);
    types.periodicity = types.k ? cox_prmtop_doubles(&r->file, "DIHEDRAL_PERIODICITY", n) : NULL;
    types.phase = types.periodicity ? cox_prmtop_doubles(&r->file, "DIHEDRAL_PHASE", n) : NULL;
    r->scee = types.phase ? scale_factors(r, "SCEE_SCALE_FACTOR", 1.2) : NULL;
    r->scnb = r->scee ? scale_factors(r, "SCNB_SCALE_FACTOR", 2) : NULL;
    int rc = r->scnb ? COX_OK : COX_EFORMAT;
    for (int h = 0; !rc && h < 2; h++) {
        int *values = cox_prmtop_ints(&r->file, flags[h], 5 * counts[h]);
        rc = values ? COX_OK : COX_EFORMAT;
        for (int i = 0; !rc && i < counts[h]; i++)
            rc = add_dihedral(r, flags[h], values + 5 * (size_t)i, i, &types);
        cox_free(values);
    }
    cox_free(types.k);
    cox_free(types.periodicity);
    cox_free(types.phase);
    return rc;
}

/* Each atom lists those above it; one 0 stands for none. */
static int read_exclusions(struct reader *r)
{
    int n = r->pointers[NATOM];
    r->excluded_count = cox_prmtop_ints(&r->file, "NUMBER_EXCLUDED_ATOMS", n);
    if (!r->excluded_count)
        return COX_EFORMAT;
    r->excluded = cox_prmtop_ints(&r->file, "EXCLUDED_ATOMS_LIST", r->pointers[NNB]);
    if (!r->excluded)
        return COX_EFORMAT;
    int at = 0;
    for (int i = 0; i < n; i++) {
        if (r->excluded_count[i] < 0 || r->excluded_count[i] > r->pointers[NNB] - at)
            return fail(r, "NUMBER_EXCLUDED_ATOMS", "more than EXCLUDED_ATOMS_LIST has", i);
        for (int k = 0; k < r->excluded_count[i]; k++, at++) {
            int other = r->excluded[at] - 1;
            if (other < 0 && r->excluded_count[i] == 1)
                continue;
            if (other <= i || other >= n)
                return fail(r, "EXCLUDED_ATOMS_LIST", "an atom out of range", at);
            int pair[2] = {i, other};
            int rc = cox_growing_add(&r->exclusions, pair, r->err);
            if (rc)
                return rc;
        }
    }
    return COX_OK;
}

static int read_elements(struct reader *r, struct cox_system *s)
{
    int *numbers = NULL;
    if (cox_prmtop_find(&r->file, "ATOMIC_NUMBER")) {
        numbers = cox_prmtop_ints(&r->file, "ATOMIC_NUMBER", s->n_atoms);
        if (!numbers)
            return COX_EFORMAT;
    }
    for (int i = 0; i < s->n_atoms; i++) {
        s->element[i] = numbers ? numbers[i] : 0;
        if (s->element[i] < 1 || s->element[i] > 118)
            s->element[i] = cox_element_of_mass(s->mass_u[i]);
        if (!s->element[i])
            s->element[i] = cox_element_of_name(s->atom_name[i]);
    }
    cox_free(numbers);
    return COX_OK;
}

/* Copies values of a section times `unit` into `out`. */
static int copy_doubles(struct reader *r, const char *flag, double unit, double *out)
{
    double *values = cox_prmtop_doubles(&r->file, flag, r->pointers[NATOM]);
    if (!values)
        return COX_EFORMAT;
    for (int i = 0; i < r->pointers[NATOM]; i++)
        out[i] = unit * values[i];
    cox_free(values);
    return COX_OK;
}

static int read_residues(struct reader *r, struct cox_system *s)
{
    char(*labels)[COX_NAME_SIZE] = cox_prmtop_names(&r->file, "RESIDUE_LABEL", s->n_residues);
    int *first = labels ? cox_prmtop_ints(&r->file, "RESIDUE_POINTER", s->n_residues) : NULL;
    int rc = first ? COX_OK : COX_EFORMAT;
    for (int i = 0; !rc && i < s->n_residues; i++) {
        int end = i + 1 < s->n_residues ? first[i + 1] - 1 : s->n_atoms;
        if (first[i] < 1 || end > s->n_atoms || end < first[i] || (!i && first[i] != 1)) {
            rc = fail(r, "RESIDUE_POINTER", "an atom out of range", i);
            break;
        }
        if (cox_residue_is_solvent(labels[i])) {
            const struct cox_prmtop_section *at = cox_prmtop_find(&r->file, "RESIDUE_LABEL");
            rc = cox_err_set(r->err, COX_EUNSUPPORTED,
                             "%s:%d: residue %d is solvent ('%s'): strip water and ions first, the "
                             "solvent is implicit here",
                             r->file.label, at->line, i + 1, labels[i]);
            break;
        }
        memcpy(s->residue_name[i], labels[i], COX_NAME_SIZE);
        s->residue_number[i] = i + 1;
        for (int a = first[i] - 1; a < end; a++)
            s->residue[a] = i;
    }
    cox_free(labels);
    cox_free(first);
    return rc;
}

static int read_atoms(struct reader *r, struct cox_system *s)
{
    int n = s->n_atoms;
    char(*names)[COX_NAME_SIZE] = cox_prmtop_names(&r->file, "ATOM_NAME", n);
    if (!names)
        return COX_EFORMAT;
    memcpy(s->atom_name, names, (size_t)n * sizeof *names);
    cox_free(names);
    int rc = copy_doubles(r, "CHARGE", 1 / CHARGE, s->charge_e);
    if (!rc)
        rc = copy_doubles(r, "MASS", 1, s->mass_u);
    if (!rc && cox_prmtop_find(&r->file, "RADII"))
        rc = copy_doubles(r, "RADII", ANGSTROM, s->gb_radius_nm);
    if (!rc && cox_prmtop_find(&r->file, "SCREEN"))
        rc = copy_doubles(r, "SCREEN", 1, s->gb_scale);
    if (!rc)
        rc = read_elements(r, s);
    if (!rc)
        rc = read_residues(r, s);
    if (rc)
        return rc;
    r->type = cox_prmtop_ints(&r->file, "ATOM_TYPE_INDEX", n);
    if (!r->type)
        return COX_EFORMAT;
    for (int i = 0; i < n; i++) {
        if (r->type[i] < 1 || r->type[i] > r->pointers[NTYPES])
            return fail(r, "ATOM_TYPE_INDEX", "a type out of range", i);
        s->sigma_nm[i] = r->sigma_nm[r->type[i] - 1];
        s->epsilon[i] = r->epsilon[r->type[i] - 1];
    }
    return COX_OK;
}

/* The lists become the system's arrays; `n` and `array` are those of the system. */
static void hand_over(struct cox_growing *list, int *n, void **array)
{
    if (!list->n)
        return;
    cox_free(*array);
    *array = list->items;
    *n = list->n;
    list->items = NULL;
    list->n = list->capacity = 0;
}

static int read_all(struct reader *r)
{
    struct cox_system *s;
    int rc = read_pointers(r);
    if (!rc)
        rc = cox_system_create(&r->system, r->pointers[NATOM], r->pointers[NRES], 0, 0, 0, 0, 0,
                               r->err);
    s = r->system;
    if (!rc)
        rc = read_lennard_jones(r);
    if (!rc)
        rc = read_atoms(r, s);
    if (!rc)
        rc = read_bonds_or_angles(r, false);
    if (!rc)
        rc = read_bonds_or_angles(r, true);
    if (!rc)
        rc = read_dihedrals(r);
    if (!rc)
        rc = read_exclusions(r);
    if (rc)
        return rc;
    hand_over(&r->bonds, &s->n_bonds, (void **)&s->bonds);
    hand_over(&r->angles, &s->n_angles, (void **)&s->angles);
    hand_over(&r->torsions, &s->n_torsions, (void **)&s->torsions);
    hand_over(&r->pairs, &s->n_pairs14, (void **)&s->pairs14);
    hand_over(&r->exclusions, &s->n_exclusions, (void **)&s->exclusions);
    return cox_system_check(s, r->err);
}

int cox_prmtop_parse(struct cox_system **out, const char *text, size_t length, const char *label,
                     struct cox_str *notes, struct cox_err *err)
{
    struct reader r = {.notes = notes,
                       .err = err,
                       .bonds = COX_GROWING_INIT(struct cox_bond),
                       .angles = COX_GROWING_INIT(struct cox_angle),
                       .torsions = COX_GROWING_INIT(struct cox_torsion),
                       .pairs = COX_GROWING_INIT(struct cox_pair14),
                       .exclusions = COX_GROWING_INIT(int[2])};
    *out = NULL;
    int rc = cox_prmtop_split(&r.file, text, length, label, err);
    if (!rc) {
        struct cox_err first = COX_ERR_INIT;
        r.err = r.file.err = &first;
        rc = read_all(&r);
        /* Readers of sections return values, not a status. */
        if (rc && first.status)
            rc = cox_err_set(err, first.status, "%s", first.text);
    }
    cox_prmtop_file_deinit(&r.file);
    cox_free(r.type);
    cox_free(r.index);
    cox_free(r.excluded_count);
    cox_free(r.excluded);
    cox_free(r.lj_a);
    cox_free(r.lj_b);
    cox_free(r.scee);
    cox_free(r.scnb);
    cox_free(r.sigma_nm);
    cox_free(r.epsilon);
    cox_growing_deinit(&r.bonds);
    cox_growing_deinit(&r.angles);
    cox_growing_deinit(&r.torsions);
    cox_growing_deinit(&r.pairs);
    cox_growing_deinit(&r.exclusions);
    if (rc) {
        cox_system_destroy(r.system);
        return rc;
    }
    *out = r.system;
    return COX_OK;
}

int cox_prmtop_read(struct cox_system **out, const char *prmtop, const char *inpcrd,
                    struct cox_str *notes, struct cox_err *err)
{
    char *text = NULL;
    size_t length = 0;
    *out = NULL;
    int rc = cox_file_read(&text, &length, prmtop, MAXIMUM_BYTES, err);
    if (!rc)
        rc = cox_prmtop_parse(out, text, length, prmtop, notes, err);
    cox_free(text);
    text = NULL;
    if (!rc)
        rc = cox_file_read(&text, &length, inpcrd, MAXIMUM_BYTES, err);
    if (!rc)
        rc = cox_inpcrd_parse(*out, text, length, inpcrd, notes, err);
    cox_free(text);
    if (rc) {
        cox_system_destroy(*out);
        *out = NULL;
    }
    return rc;
}
