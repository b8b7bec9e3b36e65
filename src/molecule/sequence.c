/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/sequence.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "molecule/elements.h"
#include "molecule/geometry.h"
#include "molecule/residues.h"

#define MAXIMUM_RESIDUES 500
#define MAXIMUM_ATOMS_OF_RESIDUE 16
#define DEGREE (M_PI / 180)

/* Rotamers are tried until all heavy atoms of other residues are this far. */
#define ROOMY_NM 0.32
/* Nearer than this, minimisation may pull chains through each other. */
#define CLASH_NM 0.20
#define PROLINE_PHI (-65.0)

/* A residue while it is built: backbone (N is a dummy in ACE, C in NME), then the side chain. */
struct unit {
    const char *name;
    double n[3], ca[3], c[3];
    double phi, psi;  /* radians */
    int first, count; /* of its atoms */
};

struct builder {
    struct cox_pdb *pdb;
    struct unit *units;
    int n_units;
    struct cox_err *err;
};

static struct cox_pdb_atom *add_atom(struct builder *b, int unit, const char *name,
                                     const double x[3])
{
    struct cox_pdb_atom *atom = &b->pdb->atoms[b->pdb->n_atoms++];
    *atom = (struct cox_pdb_atom){.altloc = ' ', .occupancy = 1, .residue = unit};
    snprintf(atom->name, COX_NAME_SIZE, "%s", name);
    atom->element = cox_element_of_name(name);
    atom->serial = b->pdb->n_atoms;
    memcpy(atom->position_nm, x, sizeof atom->position_nm);
    b->units[unit].count++;
    return atom;
}

static const double *position(const struct builder *b, int unit, const char *name)
{
    const struct unit *u = &b->units[unit];
    for (int i = u->first; i < u->first + u->count; i++)
        if (!strcmp(b->pdb->atoms[i].name, name))
            return b->pdb->atoms[i].position_nm;
    return NULL;
}

static void build_backbone(struct builder *b)
{
    static const double start[3][3] = {{0, 0.1, 0}, {0, 0, 0}, {0.1458, 0, 0}};
    for (int i = 0; i < b->n_units; i++) {
        struct unit *u = &b->units[i];
        if (!i) {
            memcpy(u->n, start[1], sizeof u->n);
            memcpy(u->ca, start[2], sizeof u->ca);
            cox_place(start[0], u->n, u->ca, 0.1525, 111.0 * DEGREE, u->phi, u->c);
            continue;
        }
        const struct unit *p = &b->units[i - 1];
        cox_place(p->n, p->ca, p->c, 0.1329, 116.6 * DEGREE, p->psi, u->n);
        cox_place(p->ca, p->c, u->n, 0.1458, 121.7 * DEGREE, M_PI, u->ca);
        cox_place(p->c, u->n, u->ca, 0.1525, 111.0 * DEGREE, u->phi, u->c);
    }
}

static void add_backbone(struct builder *b, int i)
{
    struct unit *u = &b->units[i];
    double o[3];
    u->first = b->pdb->n_atoms;
    /* The oxygen lies in the plane of the peptide bond, opposite to the next nitrogen. */
    cox_place(u->n, u->ca, u->c, 0.1231, 120.4 * DEGREE, u->psi + M_PI, o);
    if (!strcmp(u->name, "NME")) {
        add_atom(b, i, "N", u->n);
        add_atom(b, i, "CH3", u->ca);
        return;
    }
    bool cap = !strcmp(u->name, "ACE");
    if (!cap)
        add_atom(b, i, "N", u->n);
    add_atom(b, i, cap ? "CH3" : "CA", u->ca);
    add_atom(b, i, "C", u->c);
    add_atom(b, i, "O", o);
    if (!cap && i + 1 == b->n_units) {
        cox_place(u->n, u->ca, u->c, 0.1250, 117.0 * DEGREE, u->psi, o);
        add_atom(b, i, "OXT", o);
    }
}

static void add_side_chain(struct builder *b, int i, const struct cox_side_chain *chain)
{
    static const double nowhere[3] = {NAN, NAN, NAN};
    for (int k = 0; k < chain->n_atoms; k++)
        add_atom(b, i, chain->atoms[k].atom, nowhere);
}

/* Side chain atoms are in the order of the table, after those of the backbone. */
static void place_side_chain(struct builder *b, int i, const struct cox_side_chain *chain,
                             const double *chi_deg)
{
    const struct unit *u = &b->units[i];
    int first = u->first + u->count - chain->n_atoms;
    for (int k = 0; k < chain->n_atoms; k++) {
        const struct cox_internal *in = &chain->atoms[k];
        double torsion = in->torsion_deg + (in->chi ? chi_deg[in->chi - 1] : 0);
        cox_place(position(b, i, in->dihedral), position(b, i, in->angle), position(b, i, in->bond),
                  in->length_nm, in->angle_deg * DEGREE, torsion * DEGREE,
                  b->pdb->atoms[first + k].position_nm);
    }
}

/* Bonds between an atom and N or C of its residue, for those next to them; 9 for the others. */
static int bonds_to(const char *name, const char *end)
{
    bool to_n = end[0] == 'N';
    if (!strcmp(name, end))
        return 0;
    if (!strcmp(name, "CA") || !strcmp(name, "CH3") || (!to_n && !strcmp(name, "O")) ||
        (to_n && !strcmp(name, "CD")))
        return 1;
    if (!strcmp(name, "CB") || !strcmp(name, to_n ? "C" : "N"))
        return 2;
    return 9;
}

/* Atoms of neighbouring residues within three bonds: their distance is no contact. */
static bool bonded_near(const struct cox_pdb_atom *a, const struct cox_pdb_atom *b,
                        const struct unit *units)
{
    if (b->residue != a->residue + 1)
        return false;
    /* CD is next to N in proline alone. */
    int to_n = !strcmp(b->name, "CD") && strcmp(units[b->residue].name, "PRO") != 0
                   ? 9
                   : bonds_to(b->name, "N");
    return bonds_to(a->name, "C") + 1 + to_n <= 3;
}

/* Least distance of the atoms first … end-1 to those of other residues among the first `n`. */
static double least_distance(const struct builder *b, int first, int end, int n, int *who_a,
                             int *who_b)
{
    const struct cox_pdb_atom *atoms = b->pdb->atoms;
    double least = INFINITY;
    for (int i = first; i < end; i++)
        for (int k = 0; k < n; k++) {
            const struct cox_pdb_atom *low = &atoms[i < k ? i : k];
            const struct cox_pdb_atom *high = &atoms[i < k ? k : i];
            if (low->residue == high->residue || bonded_near(low, high, b->units))
                continue;
            double square = 0;
            for (int d = 0; d < 3; d++) {
                double delta = low->position_nm[d] - high->position_nm[d];
                square += delta * delta;
            }
            if (square < least) {
                least = square;
                *who_a = i;
                *who_b = k;
            }
        }
    return sqrt(least);
}

/* The next combination of rotamers, as an odometer; false after the last. */
static bool next_rotamer(const struct cox_side_chain *chain, int *index)
{
    for (int c = chain->n_chi - 1; c >= 0; c--) {
        if (index[c] < 2 && !isnan(chain->chi_deg[c][index[c] + 1])) {
            index[c]++;
            return true;
        }
        index[c] = 0;
    }
    return false;
}

/* The first rotamer with room around it, else the one with most. What is not yet placed is at NAN
 * and so in nobody's way. The first side chain atom, CB, does not move. */
static void choose_rotamer(struct builder *b, int i, const struct cox_side_chain *chain)
{
    const struct unit *u = &b->units[i];
    int first = u->first + u->count - chain->n_atoms;
    int index[COX_MAX_CHI] = {0};
    double best[COX_MAX_CHI] = {0};
    double most = -1;
    int ignored[2];
    do {
        double chi[COX_MAX_CHI] = {0};
        for (int c = 0; c < chain->n_chi; c++)
            chi[c] = chain->chi_deg[c][index[c]];
        place_side_chain(b, i, chain, chi);
        double least = least_distance(b, first + 1, first + chain->n_atoms, b->pdb->n_atoms,
                                      &ignored[0], &ignored[1]);
        if (least > most) {
            most = least;
            memcpy(best, chi, sizeof best);
        }
    } while (most < ROOMY_NM && next_rotamer(chain, index));
    place_side_chain(b, i, chain, best);
}

static void centre(struct cox_pdb *pdb)
{
    double mean[3] = {0};
    for (int i = 0; i < pdb->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            mean[k] += pdb->atoms[i].position_nm[k] / pdb->n_atoms;
    for (int i = 0; i < pdb->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            pdb->atoms[i].position_nm[k] -= mean[k];
}

static int check_clashes(const struct builder *b, const struct cox_sequence_options *options)
{
    int who[2] = {0};
    const struct cox_pdb *pdb = b->pdb;
    double least = least_distance(b, 0, pdb->n_atoms, pdb->n_atoms, &who[0], &who[1]);
    if (!(least < CLASH_NM))
        return COX_OK;
    const struct cox_pdb_atom *one = &pdb->atoms[who[0]];
    const struct cox_pdb_atom *two = &pdb->atoms[who[1]];
    return cox_err_set(
        b->err, COX_EINVAL,
        "with phi %g and psi %g the chain runs into itself: %s of %s %d and %s of %s %d "
        "come within %.2f A; choose other angles",
        options->phi_deg, options->psi_deg, one->name, pdb->residues[one->residue].name,
        one->residue + 1, two->name, pdb->residues[two->residue].name, two->residue + 1,
        10 * least);
}

static int add_units(struct builder *b, const char *sequence,
                     const struct cox_sequence_options *options, bool *moved_proline)
{
    if (options->cap)
        b->units[b->n_units++] = (struct unit){.name = "ACE"};
    for (int i = 0; sequence[i]; i++) {
        const char *name = cox_residue_of_letter((char)toupper((unsigned char)sequence[i]));
        if (!name)
            return cox_err_set(b->err, COX_EINVAL,
                               "letter %d of the sequence, '%c', is no amino acid; allowed are "
                               "ACDEFGHIKLMNPQRSTVWY",
                               i + 1, sequence[i]);
        struct unit *u = &b->units[b->n_units++];
        *u = (struct unit){.name = name};
        u->phi = options->phi_deg;
        if (!strcmp(name, "PRO") && fabs(options->phi_deg - PROLINE_PHI) > 15) {
            u->phi = PROLINE_PHI;
            *moved_proline = true;
        }
    }
    if (options->cap)
        b->units[b->n_units++] = (struct unit){.name = "NME"};
    for (int i = 0; i < b->n_units; i++) {
        b->units[i].phi *= DEGREE;
        /* The angle between a cap's methyl and the chain's first nitrogen has no name; any does. */
        b->units[i].psi = options->psi_deg * DEGREE;
    }
    return COX_OK;
}

static int build(struct builder *b, const struct cox_sequence_options *options)
{
    struct cox_side_chain chain = {0};
    build_backbone(b);
    for (int i = 0; i < b->n_units; i++) {
        add_backbone(b, i);
        if (!cox_side_chain_of(b->units[i].name, &chain))
            add_side_chain(b, i, &chain);
    }
    /* Once against what stands already, once against all. */
    for (int sweep = 0; sweep < 2; sweep++)
        for (int i = 0; i < b->n_units; i++)
            if (!cox_side_chain_of(b->units[i].name, &chain) && chain.n_atoms)
                choose_rotamer(b, i, &chain);
    for (int i = 0; i < b->n_units; i++) {
        struct cox_pdb_residue *r = &b->pdb->residues[i];
        *r = (struct cox_pdb_residue){.number = i + 1,
                                      .insertion = ' ',
                                      .first = b->units[i].first,
                                      .count = b->units[i].count};
        snprintf(r->name, COX_NAME_SIZE, "%s", b->units[i].name);
        snprintf(r->chain, COX_NAME_SIZE, "A");
    }
    b->pdb->n_residues = b->n_units;
    b->pdb->n_models = b->pdb->model = 1;
    centre(b->pdb);
    return check_clashes(b, options);
}

static int allocate(struct builder *b, size_t n)
{
    b->pdb = cox_alloc(1, sizeof *b->pdb);
    b->units = cox_alloc(n, sizeof *b->units);
    if (b->pdb) {
        b->pdb->atoms = cox_alloc(n * MAXIMUM_ATOMS_OF_RESIDUE, sizeof *b->pdb->atoms);
        b->pdb->residues = cox_alloc(n, sizeof *b->pdb->residues);
    }
    if (!b->pdb || !b->units || !b->pdb->atoms || !b->pdb->residues)
        return cox_err_set(b->err, COX_ENOMEM, "no memory for %zu residues", n);
    return COX_OK;
}

int cox_sequence_build(struct cox_pdb **out, const char *sequence,
                       const struct cox_sequence_options *options, struct cox_err *err)
{
    struct builder b = {.err = err};
    bool moved_proline = false;
    size_t n = strlen(sequence);
    *out = NULL;
    if (n < 1 || n > MAXIMUM_RESIDUES)
        return cox_err_set(err, COX_EINVAL, "the sequence has %zu residues; allowed are 1 to %d", n,
                           MAXIMUM_RESIDUES);
    int rc = allocate(&b, n + 2);
    if (!rc)
        rc = add_units(&b, sequence, options, &moved_proline);
    if (!rc)
        rc = build(&b, options);
    if (!rc) {
        b.pdb->notes = cox_strdup(moved_proline ? "phi of proline kept at -65 by its ring\n" : "");
        if (!b.pdb->notes)
            rc = cox_err_set(err, COX_ENOMEM, "no memory for notes");
    }
    cox_free(b.units);
    if (rc) {
        cox_pdb_destroy(b.pdb);
        return rc;
    }
    *out = b.pdb;
    return COX_OK;
}
