/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "sweep/view.h"

enum { FAILURES = 5 }; /* the last ones that are shown */

/* Whoever wrote the file says that it runs, and is gone. Of another host that cannot be known. */
static bool is_dead(const struct cox_json *status)
{
    char host[256] = "";
    const char *state = cox_json_get_text(status, "state"), *on = cox_json_get_text(status, "host");
    double pid = cox_json_get_number(status, "pid", -1);
    if (gethostname(host, sizeof host - 1) || !state || !on || strcmp(on, host) || pid <= 0)
        return false;
    if (strcmp(state, "running") && strcmp(state, "stopping"))
        return false;
    return kill((pid_t)pid, 0) && errno == ESRCH;
}

static void print_counts(const struct cox_json *status)
{
    printf(
        "%.0f points: %.0f simulated, %.0f predicted, %.0f failed, %.0f to do; %.0f running\n",
        cox_json_get_number(status, "points", NAN), cox_json_get_number(status, "simulated", NAN),
        cox_json_get_number(status, "predicted", NAN), cox_json_get_number(status, "failed", NAN),
        cox_json_get_number(status, "todo", NAN), cox_json_get_number(status, "running", 0));
}

static void print_pace(const struct cox_json *status, bool running)
{
    char human[32];
    const char *unit = cox_json_get_text(status, "cost_unit");
    double eta = cox_json_get_number(status, "eta_s", NAN);
    cox_clock_human(cox_json_get_number(status, "elapsed_s", 0), human, sizeof human);
    printf("%s", human);
    if (running) {
        printf(", %.3g jobs/s", cox_json_get_number(status, "jobs_per_s", NAN));
        if (!isnan(eta)) {
            cox_clock_human(eta, human, sizeof human);
            printf(", at most %s to go", human);
        }
    }
    printf("; %.4g %s", cox_json_get_number(status, "cost", NAN), unit ? unit : "");
    if (cox_json_get_number(status, "preemptions", 0) > 0)
        printf("; %.0f preemptions", cox_json_get_number(status, "preemptions", 0));
    if (cox_json_get_number(status, "retries", 0) > 0)
        printf("; %.0f retries", cox_json_get_number(status, "retries", 0));
    printf("\n");
}

static void print_learning(const struct cox_sweep_view *view, const struct cox_json *status)
{
    if (!view->n_batches || !view->n_models)
        return;
    const struct cox_ledger_batch *b = &view->batch[view->n_batches - 1];
    const char *at = cox_json_get_text(status, "best_inputs");
    printf("surrogate: model %lld; ", (long long)b->model);
    if (isfinite(b->half_width))
        printf("half-width %.3g of the accuracy wanted, at most %.3g %% of the predictions miss it "
               "(%lld audits, %lld failed); S = %.3g\n",
               b->half_width, 100 * b->failing_bound, (long long)b->audits,
               (long long)b->audits_failed, b->speedup);
    else
        printf("too few audits to promise anything (%lld, %lld failed)\n", (long long)b->audits,
               (long long)b->audits_failed);
    if (!isnan(b->objective))
        printf("best so far: %.6g%s%s\n", b->objective, at ? " at " : "", at ? at : "");
}

static bool has_failed(const struct cox_ledger_attempt *a)
{
    return !strcmp(a->end, "failed") || !strcmp(a->end, "timeout");
}

static void print_failures(const struct cox_sweep_view *view)
{
    int n = 0;
    for (int i = view->n_attempts - 1; i >= 0 && n < FAILURES; i--)
        if (has_failed(&view->attempt[i])) {
            const struct cox_ledger_attempt *a = &view->attempt[i];
            printf("%s  point %lld: %s (%s)\n", n++ ? "" : "last failures:\n", (long long)a->point,
                   a->reason, a->directory);
        }
}

static int show(const char *directory, const struct cox_json *status, struct cox_err *err)
{
    struct cox_sweep_view view;
    bool dead = is_dead(status);
    const char *state = cox_json_get_text(status, "state");
    const char *text = cox_json_get_text(status, "text");
    int rc = cox_sweep_view_open(&view, directory, err);
    if (rc)
        return rc;
    printf("%s: %s\n", view.settings.title,
           dead            ? "its process is gone; 'cox sweep resume' goes on"
           : text && *text ? text
           : state         ? state
                           : "unknown");
    print_counts(status);
    print_pace(status, !dead && state && !strcmp(state, "running"));
    print_learning(&view, status);
    print_failures(&view);
    cox_sweep_view_close(&view);
    return COX_OK;
}

static int show_json(struct cox_json *status, struct cox_err *err)
{
    if (is_dead(status))
        cox_json_set_text(status, "state", "dead");
    char *text = cox_json_text(status, true);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    fputs(text, stdout);
    cox_free(text);
    return COX_OK;
}

int cox_cmd_sweep_status(int argc, char **argv)
{
    bool json = false;
    const struct cox_option options[] = {
        {"json", 0, COX_OPT_FLAG, &json, NULL, "print one JSON object", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox sweep status SWEEP [options]",
        .description =
            "What a sweep is doing, from another terminal: how far it is, what it costs, "
            "how far its surrogate\ncan be trusted, what failed last.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    struct cox_json *status = NULL;
    struct cox_err err = COX_ERR_INIT;
    char path[PATH_MAX];
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    int rc = cox_path_join(path, sizeof path, argv[1], "status.json", &err);
    if (!rc && !cox_file_exists(path))
        rc = cox_err_set(&err, COX_ENOTFOUND, "'%s' is not the directory of a sweep: it has no %s",
                         argv[1], "status.json");
    if (!rc)
        rc = cox_json_read(&status, path, &err);
    if (!rc)
        rc = json ? show_json(status, &err) : show(argv[1], status, &err);
    cox_json_destroy(status);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
