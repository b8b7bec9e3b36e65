/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/observable.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "molecule/contacts.h"
#include "molecule/features.h"
#include "molecule/helix.h"
#include "molecule/rmsd.h"

#define MAX_ARGUMENTS 4
#define A_PER_NM 10.0
#define DEG_PER_RAD 57.29577951308232

enum kind {
    RMSD,
    DRMS,
    RG,
    END_TO_END,
    CONTACTS,
    NATIVE,
    NATIVE_CA,
    HELIX,
    HBOND_HELIX,
    DISTANCE,
    DIHEDRAL,
    KINDS
};

static const struct cox_observable_kind kinds[KINDS + 1] = {
    [RMSD] = {"rmsd_A", "RMSD of the selection to the reference, superposed", 0, true, true},
    [DRMS] = {"drms_A", "RMS difference of distance matrices to the reference", 0, true, true},
    [RG] = {"rg_A", "radius of gyration of the selection", 0, true, false},
    [END_TO_END] = {"end_to_end_A", "first to last atom of the selection", 0, true, false},
    [CONTACTS] = {"contacts", "ones of the contact map of the selection, 8 A", 0, true, false},
    [NATIVE] = {"native_fraction", "soft fraction of native heavy-atom contacts", 0, false, true},
    [NATIVE_CA] = {"native_fraction_ca", "soft fraction of native CA contacts", 0, false, true},
    [HELIX] = {"helix_fraction", "share of residues in the alpha region", 0, false, false},
    [HBOND_HELIX] = {"hbond_helix_fraction", "share of i to i+4 hydrogen bonds", 0, false, false},
    [DISTANCE] = {"distance_A", "between the centroids of two selections", 2, false, false},
    [DIHEDRAL] = {"dihedral_deg", "torsion of the centroids of four selections", 4, false, false},
};

struct cox_observable {
    enum kind kind;
    char *name;
    struct cox_selection selection;
    struct cox_selection group[MAX_ARGUMENTS];
    double (*target)[3]; /* of the selection in the reference */
    struct cox_contacts contacts;
    struct cox_helix helix;
};

const struct cox_observable_kind *cox_observable_kinds(void)
{
    return kinds;
}

/* ---- parsing "name(argument, …)" ---- */

struct call {
    enum kind kind;
    int n;
    const char *start[MAX_ARGUMENTS];
    size_t length[MAX_ARGUMENTS];
};

static int parse_arguments(struct call *call, const char *what, const char *open,
                           struct cox_err *err)
{
    int depth = 0;
    const char *start = open + 1;
    const char *at = open;
    for (; *at; at++) {
        depth += (*at == '(') - (*at == ')');
        if ((*at == ',' && depth == 1) || !depth) {
            if (call->n == MAX_ARGUMENTS)
                return cox_err_set(err, COX_EINVAL, "'%s' has more than %d arguments", what,
                                   MAX_ARGUMENTS);
            call->start[call->n] = start;
            call->length[call->n++] = (size_t)(at - start);
            start = at + 1;
        }
        if (!depth)
            break;
    }
    if (depth)
        return cox_err_set(err, COX_EINVAL, "'%s' lacks %d closing ')'", what, depth);
    if (at[1 + strspn(at + 1, " \t")])
        return cox_err_set(err, COX_EINVAL, "'%s': '%s' follows the closing ')'", what, at + 1);
    return COX_OK;
}

static int unknown(const char *what, struct cox_err *err)
{
    const char *names[KINDS];
    char bare[64] = "";
    size_t n = strcspn(what, "( ");
    struct cox_str list;
    cox_str_init(&list, 1000);
    memcpy(bare, what, n < sizeof bare ? n : sizeof bare - 1);
    for (int i = 0; i < KINDS; i++) {
        names[i] = kinds[i].name;
        cox_str_addf(&list, "%s%s", i ? ", " : "", kinds[i].name);
    }
    int near = cox_str_nearest(bare, names, KINDS);
    int rc = near >= 0 ? cox_err_set(err, COX_EINVAL, "no observable '%s'; did you mean '%s'?",
                                     what, names[near])
                       : cox_err_set(err, COX_EINVAL, "no observable '%s'; there are: %s", what,
                                     cox_str_text(&list));
    cox_str_deinit(&list);
    return rc;
}

static int parse_call(struct call *call, const char *what, struct cox_err *err)
{
    size_t n = strcspn(what, "( \t");
    int kind = 0;
    while (kind < KINDS && (strlen(kinds[kind].name) != n || strncmp(kinds[kind].name, what, n)))
        kind++;
    if (kind == KINDS)
        return unknown(what, err);
    *call = (struct call){.kind = (enum kind)kind};
    const char *open = what + n + strspn(what + n, " \t");
    if (*open && *open != '(')
        return unknown(what, err);
    int rc = *open ? parse_arguments(call, what, open, err) : COX_OK;
    if (rc)
        return rc;
    int want = kinds[kind].arguments;
    if (call->n == want || (call->n == 1 && kinds[kind].takes_selection))
        return COX_OK;
    return cox_err_set(err, COX_EINVAL, "'%s' has %d arguments, it takes %d%s", what, call->n, want,
                       kinds[kind].takes_selection ? " or 1 selection" : "");
}

int cox_observable_check(const char *what, bool *needs_reference, struct cox_err *err)
{
    struct call call;
    int rc = parse_call(&call, what, err);
    if (!rc && needs_reference)
        *needs_reference = kinds[call.kind].needs_reference;
    return rc;
}

/* ---- creation ---- */

static int select_argument(struct cox_selection *out, const struct cox_system *system,
                           const struct call *call, int i, struct cox_err *err)
{
    char *text = cox_strndup(call->start[i], call->length[i]);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory in an observable");
    int rc = cox_selection_init(out, system, text, err);
    cox_free(text);
    return rc;
}

static int choose_selection(struct cox_observable *o, const struct call *call,
                            const struct cox_system *system, const struct cox_selection *selection,
                            struct cox_err *err)
{
    if (call->n)
        return select_argument(&o->selection, system, call, 0, err);
    if (!selection)
        return cox_selection_init(&o->selection, system, "name CA", err);
    o->selection.atom = cox_alloc((size_t)selection->n, sizeof(int));
    if (!o->selection.atom)
        return cox_err_set(err, COX_ENOMEM, "out of memory in an observable");
    o->selection.n = selection->n;
    memcpy(o->selection.atom, selection->atom, (size_t)selection->n * sizeof(int));
    return COX_OK;
}

static int take_target(struct cox_observable *o, const struct cox_system *system,
                       const struct cox_reference *reference, struct cox_err *err)
{
    int rc = cox_reference_require(reference, system, &o->selection, err);
    if (rc)
        return rc;
    o->target = cox_alloc((size_t)o->selection.n, sizeof *o->target);
    if (!o->target)
        return cox_err_set(err, COX_ENOMEM, "out of memory in an observable");
    cox_reference_gather(reference, &o->selection, o->target);
    return COX_OK;
}

static int fill(struct cox_observable *o, const struct call *call, const struct cox_system *system,
                const struct cox_reference *reference, const struct cox_selection *selection,
                struct cox_err *err)
{
    const struct cox_observable_kind *kind = &kinds[o->kind];
    int rc = COX_OK;
    if (kind->needs_reference && !reference)
        return cox_err_set(err, COX_EINVAL, "needs a reference fold, none is given");
    if (kind->takes_selection)
        rc = choose_selection(o, call, system, selection, err);
    if (!rc && (o->kind == RMSD || o->kind == DRMS))
        rc = take_target(o, system, reference, err);
    if (!rc && o->kind == NATIVE)
        rc = cox_contacts_init(&o->contacts, system, reference, false, err);
    if (!rc && o->kind == NATIVE_CA)
        rc = cox_contacts_init(&o->contacts, system, reference, true, err);
    if (!rc && (o->kind == HELIX || o->kind == HBOND_HELIX))
        rc = cox_helix_init(&o->helix, system, o->kind == HBOND_HELIX, err);
    for (int i = 0; !rc && i < kind->arguments; i++)
        rc = select_argument(&o->group[i], system, call, i, err);
    return rc;
}

int cox_observable_create(struct cox_observable **out, const char *what,
                          const struct cox_system *system, const struct cox_reference *reference,
                          const struct cox_selection *selection, struct cox_err *err)
{
    struct call call;
    *out = NULL;
    int rc = parse_call(&call, what, err);
    if (rc)
        return rc;
    struct cox_observable *o = cox_alloc(1, sizeof *o);
    if (o) {
        o->kind = call.kind;
        o->name = cox_strdup(what);
    }
    rc = o && o->name ? fill(o, &call, system, reference, selection, err)
                      : cox_err_set(err, COX_ENOMEM, "out of memory in an observable");
    if (rc) {
        cox_observable_destroy(o);
        return cox_err_wrap(err, rc, "observable '%s'", what);
    }
    *out = o;
    return COX_OK;
}

void cox_observable_destroy(struct cox_observable *observable)
{
    if (!observable)
        return;
    cox_selection_deinit(&observable->selection);
    for (int i = 0; i < MAX_ARGUMENTS; i++)
        cox_selection_deinit(&observable->group[i]);
    cox_contacts_deinit(&observable->contacts);
    cox_helix_deinit(&observable->helix);
    cox_free(observable->target);
    cox_free(observable->name);
    cox_free(observable);
}

const char *cox_observable_name(const struct cox_observable *observable)
{
    return observable->name;
}

/* ---- evaluation ---- */

static double distance_f64(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

static double drms_to_target(const struct cox_observable *o, const float (*x)[3])
{
    const int *atom = o->selection.atom;
    int n = o->selection.n;
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            double d = cox_point_distance(x[atom[i]], x[atom[j]]) -
                       distance_f64(o->target[i], o->target[j]);
            sum += d * d;
        }
    return n > 1 ? sqrt(sum / (double)cox_pair_count(n)) : 0;
}

static double of_groups(const struct cox_observable *o, const float (*x)[3])
{
    double c[MAX_ARGUMENTS][3] = {{0}};
    for (int i = 0; i < kinds[o->kind].arguments; i++)
        cox_centroid(o->group[i].n, o->group[i].atom, x, c[i]);
    if (o->kind == DISTANCE)
        return distance_f64(c[0], c[1]) * A_PER_NM;
    return cox_dihedral(c[0], c[1], c[2], c[3]) * DEG_PER_RAD;
}

double cox_observable_value(const struct cox_observable *o, const float (*x)[3])
{
    int n = o->selection.n;
    const int *atom = o->selection.atom;
    switch (o->kind) {
    case RMSD:
        return cox_rmsd(n, atom, x, o->target) * A_PER_NM;
    case DRMS:
        return drms_to_target(o, x) * A_PER_NM;
    case RG:
        return cox_radius_of_gyration(n, atom, x) * A_PER_NM;
    case END_TO_END:
        return cox_point_distance(x[atom[0]], x[atom[n - 1]]) * A_PER_NM;
    case CONTACTS:
        return cox_contact_map(n, atom, x, COX_CONTACT_CUTOFF_NM, NULL);
    case NATIVE:
    case NATIVE_CA:
        return cox_contacts_fraction(&o->contacts, x);
    case HELIX:
    case HBOND_HELIX:
        return cox_helix_fraction(&o->helix, x);
    case DISTANCE:
    case DIHEDRAL:
        return of_groups(o, x);
    case KINDS:
        break;
    }
    return NAN;
}
