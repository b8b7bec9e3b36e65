/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/show_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"

void cox_show_run_init(struct cox_show_run *show, bool quiet)
{
    *show = (struct cox_show_run){.quiet = quiet, .best = NAN};
    cox_progress_init(&show->line);
}

/* "rmsd 1.83 Å" */
static void format_best(char *text, size_t size, const char *name, double value)
{
    size_t n = strlen(name);
    if (isnan(value))
        text[0] = '\0';
    else if (n > 2 && !strcmp(name + n - 2, "_A"))
        snprintf(text, size, "%.*s %.2f Å", (int)n - 2, name, value);
    else
        snprintf(text, size, "%s %.3g", name, value);
}

static void format_line(char *text, size_t size, const struct cox_steer_progress *p)
{
    char best[64];
    char eta[32];
    char elapsed[32];
    char found[48] = "";
    char arrived[48] = "";
    format_best(best, sizeof best, p->best_name, p->best);
    cox_clock_human(p->elapsed_s, elapsed, sizeof elapsed);
    cox_clock_human(p->eta_s, eta, sizeof eta);
    if (p->outliers >= 0)
        snprintf(found, sizeof found, " · %d outliers, %d restarts", p->outliers, p->picks);
    else if (p->picks)
        snprintf(found, sizeof found, " · %d restarts", p->picks);
    if (p->arrived)
        snprintf(arrived, sizeof arrived, " · %d/%d on target", p->arrived, p->lanes);
    const char *doing = p->roles ? p->roles : p->round_done ? "" : p->stage;
    snprintf(text, size, "%s %d%s%s · %.1f ns · %.0f ns/day%s%s%s%s · %s%s%s%s",
             p->roles ? "generation" : "round", p->round + 1, doing[0] ? ": " : "", doing, p->ns,
             p->ns_per_day, best[0] ? " · best " : "", best, arrived, found, elapsed,
             isnan(p->eta_s) ? "" : ", at most ", isnan(p->eta_s) ? "" : eta,
             isnan(p->eta_s) ? "" : " to go");
}

void cox_show_run_progress(void *user, const struct cox_steer_progress *p)
{
    struct cox_show_run *show = user;
    char line[240];
    if (show->quiet)
        return;
    format_line(line, sizeof line, p);
    /* on a terminal a round that found something better, and one every ten seconds, stays visible
     */
    bool better = !isnan(p->best) && (isnan(show->best) || fabs(p->best - show->best) > 0.05);
    if (show->line.terminal && p->round_done && (better || p->elapsed_s - show->last_period > 10)) {
        printf("\r%s\033[K\n", line);
        fflush(stdout);
        show->line.width = 0;
        show->best = p->best;
        show->last_period = p->elapsed_s;
        return;
    }
    cox_progress_show(&show->line, "%s", line);
}

static int print_json(const char *directory)
{
    char path[4400];
    struct cox_json *summary = NULL;
    struct cox_err err = COX_ERR_INIT;
    snprintf(path, sizeof path, "%s/summary.json", directory);
    int rc = cox_json_read(&summary, path, &err);
    cox_json_set_text(summary, "directory", directory);
    char *text = rc ? NULL : cox_json_text(summary, true);
    if (text)
        fputs(text, stdout);
    else
        fprintf(stderr, "cox: %s\n", err.text[0] ? err.text : "out of memory");
    cox_free(text);
    cox_json_destroy(summary);
    return text ? COX_EXIT_OK : COX_EXIT_FAILED;
}

static void print_streaming(const struct cox_steer_outcome *o)
{
    printf("%lld segments, %d models; ", (long long)o->segments, o->models);
    if (!isnan(o->stream_share))
        printf("%.3f %% of the simulation time went into the stream; ", 100 * o->stream_share);
    printf("%d %s started again", o->restarts, o->restarts == 1 ? "process was" : "processes were");
    if (!isnan(o->cpu_share))
        printf("; processors busy %.0f %%", 100 * o->cpu_share);
    printf("\n");
}

static void print_outcome(const struct cox_steer_outcome *o, const char *directory)
{
    char wall[32];
    char best[64];
    cox_clock_human(o->wall_s, wall, sizeof wall);
    format_best(best, sizeof best, o->best_name, o->best);
    printf("%s after %s: %d %s, %.1f ns simulated at %.0f ns/day\n", o->text, wall, o->rounds,
           o->streaming ? "generations" : "rounds", o->ns, o->ns_per_day);
    if (best[0])
        printf("best %s (frame %lld)", best, (long long)o->best_frame);
    if (!isnan(o->first_hit_ns))
        printf(", first on target after %.1f ns, %.0f s", o->first_hit_ns, o->first_hit_s);
    if (best[0])
        printf("; ");
    printf("%d states seen, lanes from %d distinct ancestors\n", o->states, o->ancestors);
    if (o->streaming)
        print_streaming(o);
    else
        printf("idle per round %.3f s (at most %.3f s), processors busy %.0f %%\n", o->idle_mean_s,
               o->idle_max_s, 100 * o->cpu_share);
    if (o->blown)
        printf("%d lanes blew up and were restarted (events.jsonl)\n", o->blown);
    printf("report: %s/report.html\n", directory);
}

int cox_show_run_end(struct cox_show_run *show, int rc, const struct cox_steer_outcome *outcome,
                     const char *directory, bool json, const struct cox_err *err)
{
    cox_progress_end(&show->line);
    if (rc == COX_ECANCELLED) {
        fprintf(stderr, "cox: interrupted; %d %s are kept, 'cox resume %s' goes on\n",
                outcome->rounds, outcome->streaming ? "generations" : "rounds", directory);
        return COX_EXIT_INTERRUPTED;
    }
    if (rc) {
        fprintf(stderr, "cox: %s\n", err->text);
        return COX_EXIT_FAILED;
    }
    if (json)
        return print_json(directory);
    print_outcome(outcome, directory);
    return COX_EXIT_OK;
}
