/* SPDX-License-Identifier: BSD-3-Clause */
/* PDB (format 3.3), one MODEL per frame, no CONECT. Residues get the PDB's names (HIE → HIS), the
 * terminal oxygens theirs. */
#include <string.h>

#include "molecule/elements.h"
#include "molecule/residues.h"
#include "molecule/trajfile_internal.h"

/* Serial and residue numbers have five and four columns: they begin anew, as is the custom. */
#define SERIALS 100000
#define RESIDUES 10000

static const char *atom_name(const struct cox_trajfile_atom *a, const char *residue)
{
    if (!strcmp(a->name, "OC1") || !strcmp(a->name, "OT1"))
        return "O";
    if (!strcmp(a->name, "OC2") || !strcmp(a->name, "OT2"))
        return "OXT";
    if (!strcmp(a->name, "CD") && !strcmp(residue, "ILE"))
        return "CD1";
    return a->name;
}

/* Columns 13-16: names of one-letter elements begin in column 14 unless they are four long. */
static void align_name(char out[5], const char *name, const char *symbol)
{
    bool shifted = strlen(symbol) < 2 && strlen(name) < 4;
    snprintf(out, 5, shifted ? " %-3.3s" : "%-4.4s", name);
}

static int put_atom(struct cox_trajfile *file, int i, int serial, struct cox_err *err)
{
    const struct cox_trajfile_atom *a = &file->names[i];
    const char *standard = cox_residue_standard(a->residue_name);
    const char *residue = standard ? standard : a->residue_name;
    const char *symbol = a->element ? cox_element_symbol(a->element) : "";
    const float *x = file->x[i];
    char name[5];
    align_name(name, atom_name(a, residue), symbol);
    int number = a->residue_number;
    if (number < -999 || number >= RESIDUES)
        number = (number % RESIDUES + RESIDUES) % RESIDUES;
    int n = fprintf(
        file->stream, "%-6s%5d %4s %3.3s %c%4d    %8.3f%8.3f%8.3f%6.2f%6.2f          %2.2s\n",
        standard ? "ATOM" : "HETATM", serial, name, residue, a->chain[0] ? a->chain[0] : ' ',
        number, 10 * (double)x[0], 10 * (double)x[1], 10 * (double)x[2], 1.0, 0.0, symbol);
    return n < 0 ? cox_err_errno(err, "cannot write '%s'", file->path) : COX_OK;
}

static int put_ter(struct cox_trajfile *file, int i, int serial, struct cox_err *err)
{
    const struct cox_trajfile_atom *a = &file->names[i];
    const char *standard = cox_residue_standard(a->residue_name);
    int n = fprintf(file->stream, "TER   %5d      %3.3s %c%4d\n", serial,
                    standard ? standard : a->residue_name, a->chain[0] ? a->chain[0] : ' ',
                    a->residue_number % RESIDUES);
    return n < 0 ? cox_err_errno(err, "cannot write '%s'", file->path) : COX_OK;
}

static int begin(struct cox_trajfile *file, struct cox_err *err)
{
    if (fprintf(file->stream, "TITLE     %.60s\n", file->title) < 0)
        return cox_err_errno(err, "cannot write '%s'", file->path);
    return COX_OK;
}

static int frame(struct cox_trajfile *file, int64_t step, double time_ps, struct cox_err *err)
{
    int serial = 0;
    if (fprintf(file->stream, "REMARK   6 frame %lld step %lld time %.6g ps\nMODEL     %4lld\n",
                (long long)file->frames, (long long)step, time_ps,
                (long long)(file->frames + 1) % 10000) < 0)
        return cox_err_errno(err, "cannot write '%s'", file->path);
    int rc = COX_OK;
    for (int i = 0; !rc && i < file->n; i++) {
        serial = (serial + 1) % SERIALS;
        rc = put_atom(file, i, serial, err);
        if (!rc && (i + 1 == file->n || strcmp(file->names[i].chain, file->names[i + 1].chain))) {
            serial = (serial + 1) % SERIALS;
            rc = put_ter(file, i, serial, err);
        }
    }
    if (!rc && fprintf(file->stream, "ENDMDL\n") < 0)
        rc = cox_err_errno(err, "cannot write '%s'", file->path);
    return rc;
}

static int end(struct cox_trajfile *file, struct cox_err *err)
{
    return cox_trajfile_put(file, "END\n", 4, err);
}

/* −999.999 … 9999.999 Å; the smaller bound for both signs */
const struct cox_trajfile_ops cox_trajfile_pdb = {".pdb", 99.9999, begin, frame, end};
