/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/gromacs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "molecule/gromacs_dump.h"
#include "molecule/process.h"

#define MAXIMUM_OUTPUT ((size_t)1 << 30)

struct job {
    const struct cox_gromacs_options *options;
    char directory[512];
    struct cox_err *err;
};

void cox_gromacs_reason(const char *output, struct cox_str *out)
{
    /* "Fatal error:" and "Error in user input:" head the reason; a hint to the web follows. */
    const char *at = strstr(output, "Fatal error:");
    if (!at)
        at = strstr(output, "Error in user input:");
    if (!at)
        at = strstr(output, "Inconsistency in user input:");
    if (!at)
        return;
    at += strcspn(at, "\n");
    while (*at) {
        at += strspn(at, " \n");
        size_t n = strcspn(at, "\n");
        if (n == 1 && *at == '.') {
            at++;
            continue;
        }
        if (!n || !strncmp(at, "For more information", 20) || !strncmp(at, "-----", 5))
            return;
        cox_str_add(out, out->length ? " " : "");
        cox_str_addn(out, at, n);
        at += n;
    }
}

static int read_output(const struct job *job, const char *name, char **text, size_t *length)
{
    char path[600];
    int rc = cox_path_join(path, sizeof path, job->directory, name, job->err);
    return rc ? rc : cox_file_read(text, length, path, MAXIMUM_OUTPUT, job->err);
}

/* The last line that is not empty, for tools that die without a word of their own. */
static void last_line(const char *output, struct cox_str *out)
{
    const char *last = "";
    size_t length = 0;
    while (*output) {
        size_t n = strcspn(output, "\n");
        if (strspn(output, " -") < n) {
            last = output;
            length = n;
        }
        output += n + (output[n] == '\n');
    }
    cox_str_addn(out, last, length);
}

static int report_failure(const struct job *job, const char *tool, const char *output,
                          int exit_status)
{
    struct cox_str reason;
    cox_str_init(&reason, 4096);
    cox_gromacs_reason(output, &reason);
    if (!reason.length)
        last_line(output, &reason);
    int rc = cox_err_set(job->err, COX_EEXTERNAL, "%s: GROMACS %s refuses it (exit %d): %s",
                         job->options->label, tool, exit_status,
                         reason.length ? cox_str_text(&reason) : "it did not say why");
    cox_str_deinit(&reason);
    return rc;
}

/* Runs one tool; its messages lie in TOOL.err in the directory, read into *messages when wanted. */
static int run(const struct job *job, const char *const *argv, const char *output, char **messages)
{
    const char *tool = argv[1];
    char errors[64];
    int exit_status = 0;
    snprintf(errors, sizeof errors, "%s.err", tool);
    struct cox_process process = {.argv = argv,
                                  .directory = job->directory,
                                  .output = output ? output : errors,
                                  .errors = output ? errors : NULL,
                                  .cancel = job->options->cancel};
    int rc = cox_process_run(&process, &exit_status, job->err);
    if (rc == COX_ENOTFOUND)
        return cox_err_set(
            job->err, rc,
            "'%s' was not found: GROMACS does the chemistry of 'cox prepare'; install "
            "Debian's package 'gromacs' (apt-get install gromacs), or start from an "
            "Amber prmtop, which needs no GROMACS",
            argv[0]);
    if (rc)
        return rc;
    char *text = NULL;
    size_t length = 0;
    rc = read_output(job, errors, &text, &length);
    if (!rc && exit_status)
        rc = report_failure(job, tool, text, exit_status);
    if (!rc && messages)
        *messages = text;
    else
        cox_free(text);
    return rc;
}

/* "… GROMACS - gmx pdb2gmx, 2022.5-Debian_2022.5_2 (-:" → "2022.5-Debian_2022.5_2". */
static void find_version(const char *messages, char version[64])
{
    const char *at = strstr(messages, "GROMACS - gmx");
    at = at ? strchr(at, ',') : NULL;
    snprintf(version, 64, "unknown");
    if (at) {
        at += 1 + strspn(at + 1, " ");
        snprintf(version, 64, "%.*s", (int)strcspn(at, " \n"), at);
    }
}

/* pdb2gmx takes the box from the input; a wide one keeps grompp from complaining of its cutoffs. */
static int write_inputs(const struct job *job, const struct cox_pdb *pdb)
{
    struct cox_str text;
    char path[600];
    static const char mdp[] = "integrator = md\nnsteps = 0\ncutoff-scheme = Verlet\n"
                              "constraints = none\n";
    cox_str_init(&text, MAXIMUM_OUTPUT);
    cox_str_add(&text, "CRYST1 9999.000 9999.000 9999.000  90.00  90.00  90.00 P 1           1\n");
    int rc = cox_pdb_format(pdb, true, &text, job->err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, job->directory, "in.pdb", job->err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, job->err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, job->directory, "in.mdp", job->err);
    if (!rc)
        rc = cox_file_replace(path, mdp, sizeof mdp - 1, job->err);
    cox_str_deinit(&text);
    return rc;
}

static int run_tools(const struct job *job, const struct cox_pdb *pdb, char version[64],
                     char **dump, size_t *length)
{
    const char *gmx = job->options->program;
    const char *const pdb2gmx[] = {
        gmx,       "pdb2gmx", "-nobackup", "-ff",     job->options->forcefield,
        "-water",  "none",    "-merge",    "all",     "-ignh",
        "-f",      "in.pdb",  "-o",        "out.g96", "-p",
        "out.top", "-i",      "posre.itp", NULL};
    const char *const grompp[] = {gmx,       "grompp",   "-nobackup", "-f",      "in.mdp",
                                  "-c",      "out.g96",  "-p",        "out.top", "-o",
                                  "out.tpr", "-maxwarn", "10",        NULL};
    const char *const print[] = {gmx, "dump", "-nobackup", "-s", "out.tpr", NULL};
    char *messages = NULL;
    int rc = write_inputs(job, pdb);
    if (!rc)
        rc = run(job, pdb2gmx, NULL, &messages);
    if (rc)
        return rc;
    find_version(messages, version);
    cox_free(messages);
    rc = run(job, grompp, NULL, NULL);
    if (!rc)
        rc = run(job, print, "dump.txt", NULL);
    return rc ? rc : read_output(job, "dump.txt", dump, length);
}

/* A tpr knows no chains; residues come in the order of the input. */
static int copy_chains(struct cox_system *s, const struct cox_pdb *pdb, struct cox_err *err)
{
    if (s->n_residues != pdb->n_residues)
        return cox_err_set(err, COX_EEXTERNAL, "GROMACS made %d residues of %d", s->n_residues,
                           pdb->n_residues);
    for (int i = 0; i < s->n_residues; i++) {
        memcpy(s->chain[i], pdb->residues[i].chain, COX_NAME_SIZE);
        s->residue_number[i] = pdb->residues[i].number;
    }
    return COX_OK;
}

int cox_gromacs_prepare(struct cox_system **out, const struct cox_pdb *pdb,
                        const struct cox_gromacs_options *options, char version[64],
                        struct cox_err *err)
{
    struct job job = {.options = options, .err = err};
    const char *tmp = getenv("TMPDIR");
    char *dump = NULL;
    size_t length = 0;
    *out = NULL;
    int rc = cox_path_join(job.directory, sizeof job.directory, tmp && tmp[0] ? tmp : "/tmp",
                           "cox-prepare-XXXXXX", err);
    if (rc)
        return rc;
    if (!mkdtemp(job.directory))
        return cox_err_errno(err, "cannot make a directory '%s'", job.directory);
    rc = run_tools(&job, pdb, version, &dump, &length);
    int removed = cox_directory_remove(job.directory, rc ? NULL : err);
    if (!rc)
        rc = removed;
    if (!rc) {
        rc = cox_gromacs_dump_parse(out, dump, length, err);
        if (rc)
            rc = cox_err_wrap(err, rc, "%s with force field '%s'", options->label,
                              options->forcefield);
    }
    cox_free(dump);
    if (!rc) {
        rc = copy_chains(*out, pdb, err);
        if (rc) {
            cox_system_destroy(*out);
            *out = NULL;
        }
    }
    return rc;
}
