/* SPDX-License-Identifier: BSD-3-Clause */
/* Machine-learned potentials: energies and forces of atoms from a model file, for programs that
 * have atoms of their own. Ångström, eV, eV/Å.
 *
 *     struct cox_potential *p = NULL;
 *     struct cox_potential_atoms atoms = COX_POTENTIAL_ATOMS_INIT;
 *     struct cox_potential_result result = COX_POTENTIAL_RESULT_INIT;
 *     rc = cox_potential_open(&p, "model.dp", NULL, &err);
 *     atoms.n = n, atoms.x_A = x, atoms.type = type, atoms.box_A = box;
 *     result.force_eV_A = force;
 *     rc = cox_potential_compute(p, &result, &atoms, &err);
 *     cox_potential_close(p);
 *
 * Threads: handles know nothing of one another; several may be used at the same time, each from its
 * own thread. One handle may be used from several threads, too: their calls wait for each other.
 *
 * Structures begin with their size, which their initialiser sets: a program compiled against this
 * header goes on working when a later library knows more fields. */
#ifndef COX_POTENTIAL_H
#define COX_POTENTIAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "cox/err.h"

struct cox_potential; /* a model, opened */

enum cox_potential_precision {
    COX_POTENTIAL_F64,  /* everything in double precision */
    COX_POTENTIAL_F32,  /* networks in single precision; energies and sums in double */
    COX_POTENTIAL_MIX16 /* products of networks with bfloat16 factors and single-precision sums */
};

struct cox_potential_options {
    size_t size;
    int precision; /* enum cox_potential_precision */
    int threads;   /* that a call may use, the caller's counted; 0: as many as the process may */
};
#define COX_POTENTIAL_OPTIONS_INIT                                 \
    {                                                              \
        sizeof(struct cox_potential_options), COX_POTENTIAL_F64, 1 \
    }

/* A model file of any kind that `cox potential` reads (.dp, .pb, .pbtxt, .yaml). NULL `options`:
 * the initialiser's. */
int cox_potential_open(struct cox_potential **out, const char *path,
                       const struct cox_potential_options *options,
                       struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. Not while another thread is in a call. */
void cox_potential_close(struct cox_potential *potential);

/* Types of atoms are numbers 0 … n − 1, with names, which are elements as a rule. */
int cox_potential_types(const struct cox_potential *potential);
/* NULL: there is no such type. Valid until the handle is closed. */
const char *cox_potential_type_name(const struct cox_potential *potential, int type);
/* -1: there is no such name. */
int cox_potential_type_of(const struct cox_potential *potential, const char *name);
/* Atoms farther away than this do not feel each other. */
double cox_potential_cutoff_A(const struct cox_potential *potential);
/* How many numbers a calculation needs besides the atoms (an electronic temperature, say); most
 * models need none. */
int cox_potential_frame_parameters(const struct cox_potential *potential);

struct cox_potential_atoms {
    size_t size;
    int n;
    const double *x_A;              /* [n][3]; need not lie within the box */
    const int *type;                /* [n] */
    const double *box_A;            /* [3][3], the rows the edges; NULL: not periodic */
    const double *frame_parameters; /* NULL where none are needed, or the model has defaults */
};
#define COX_POTENTIAL_ATOMS_INIT                                      \
    {                                                                 \
        sizeof(struct cox_potential_atoms), 0, NULL, NULL, NULL, NULL \
    }

/* A caller's own neighbours. Atoms 0 … n_centres − 1 have an energy; the others, behind them, are
 * there as neighbours: images, or what belongs to another process. The neighbours of centre i are
 * neighbour[first[i]] … neighbour[first[i + 1] − 1]: every atom within the cutoff, on both sides
 * (a full list), not itself; some farther away, too, if you like. */
struct cox_potential_list {
    size_t size;
    int n_centres;
    const int64_t *first; /* [n_centres + 1] */
    const int *neighbour; /* [first[n_centres]] */
};
#define COX_POTENTIAL_LIST_INIT                          \
    {                                                    \
        sizeof(struct cox_potential_list), 0, NULL, NULL \
    }

/* Arrays are the caller's; NULL: not wanted. */
struct cox_potential_result {
    size_t size;
    double energy_eV;
    double virial_eV[9]; /* Σ x ⊗ F = −∂E/∂strain; its negative over the volume is the stress */
    double *force_eV_A;     /* [n][3], ghosts too: add theirs to the atoms that they stand for */
    double *atom_energy_eV; /* [n], or [n_centres] with a list */
    double *atom_virial_eV; /* [n][9] */
    long long left_out;     /* neighbours beyond what the model was trained to see (its sel), which
                               count for nothing; 0 unless the atoms are denser than they were then */
};
#define COX_POTENTIAL_RESULT_INIT                                                                \
    {                                                                                            \
        sizeof(struct cox_potential_result), 0, {0, 0, 0, 0, 0, 0, 0, 0, 0}, NULL, NULL, NULL, 0 \
    }

/* Finds the neighbours itself: in time that grows with n, in boxes of any shape and size. Allocates
 * only when there are more atoms or neighbours than ever before. The same atoms, options and
 * processor give the same bits. After a failure *result means nothing. */
int cox_potential_compute(struct cox_potential *potential, struct cox_potential_result *result,
                          const struct cox_potential_atoms *atoms,
                          struct cox_err *err) COX_MUST_CHECK;
/* With a caller's neighbours; atoms->box_A must be NULL. */
int cox_potential_compute_with_list(struct cox_potential *potential,
                                    struct cox_potential_result *result,
                                    const struct cox_potential_atoms *atoms,
                                    const struct cox_potential_list *list,
                                    struct cox_err *err) COX_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
