/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/executor_slurm_words.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "runtime/executor_ops.h"

enum { MOST_NODES = 100000, MOST_CORES = 100000 };

struct list {
    struct cox_slurm_node *nodes;
    int n, capacity;
};

static int add(struct list *list, const char *name, size_t length, struct cox_err *err)
{
    if (!length || length >= sizeof list->nodes->name)
        return cox_err_set(err, COX_EINVAL, "a node's name of %zu characters, at most %zu", length,
                           sizeof list->nodes->name - 1);
    if (list->n == MOST_NODES)
        return cox_err_set(err, COX_EINVAL, "more than %d nodes", MOST_NODES);
    if (list->n == list->capacity) {
        int more = list->capacity ? 2 * list->capacity : 16;
        struct cox_slurm_node *grown = cox_realloc(list->nodes, (size_t)more, sizeof *list->nodes);
        if (!grown)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %d nodes", more);
        list->nodes = grown;
        list->capacity = more;
    }
    struct cox_slurm_node *node = &list->nodes[list->n++];
    *node = (struct cox_slurm_node){.cores = 0};
    memcpy(node->name, name, length);
    return COX_OK;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at *at; moves *at behind them. -1: none or too large. */
static int number(const char **at)
{
    int value = 0;
    if (!is_digit(**at))
        return -1;
    for (; is_digit(**at); (*at)++) {
        if (value > MOST_CORES)
            return -1;
        value = 10 * value + (**at - '0');
    }
    return value;
}

static int expand(struct list *list, const char *done, const char *rest, const char *end,
                  struct cox_err *err);

/* "1-3,07-12" between brackets, each in turn between `done` and what follows the bracket. */
static int expand_bracket(struct list *list, const char *done, const char *open, const char *close,
                          const char *end, struct cox_err *err)
{
    const char *at = open + 1;
    do {
        const char *first = at;
        int from = number(&at);
        int width = (int)(at - first);
        int to = from;
        if (from >= 0 && *at == '-') {
            at++;
            to = number(&at);
        }
        if (from < 0 || to < from || to - from >= MOST_NODES || (at != close && *at != ','))
            return cox_err_set(err, COX_EINVAL, "malformed range '%.*s'", (int)(close - open - 1),
                               open + 1);
        for (int i = from; i <= to; i++) {
            char name[128];
            int length = snprintf(name, sizeof name, "%s%0*d", done, width, i);
            if (length >= (int)sizeof name)
                return cox_err_set(err, COX_EINVAL, "a node's name is too long: '%s…'", name);
            int rc = expand(list, name, close + 1, end, err);
            if (rc)
                return rc;
        }
    } while (at != close && *at++ == ',');
    return COX_OK;
}

/* One name with any number of brackets in [rest, end), of which `done` is expanded already. */
static int expand(struct list *list, const char *done, const char *rest, const char *end,
                  struct cox_err *err)
{
    char name[128];
    size_t plain = strcspn(rest, "[");
    if (plain > (size_t)(end - rest))
        plain = (size_t)(end - rest);
    int length = snprintf(name, sizeof name, "%s%.*s", done, (int)plain, rest);
    if (length >= (int)sizeof name)
        return cox_err_set(err, COX_EINVAL, "a node's name is too long: '%s…'", name);
    const char *open = rest + plain;
    if (open == end)
        return add(list, name, (size_t)length, err);
    const char *close = memchr(open, ']', (size_t)(end - open));
    if (!close)
        return cox_err_set(err, COX_EINVAL, "a bracket is not closed");
    return expand_bracket(list, name, open, close, end, err);
}

/* Where the name that begins at `at` ends: at the next comma outside brackets. */
static const char *name_end(const char *at)
{
    bool inside = false;
    for (; *at && (inside || *at != ','); at++)
        inside = (inside || *at == '[') && *at != ']';
    return at;
}

/* "4(x9),2" */
static int deal_cores(struct list *list, const char *cores, struct cox_err *err)
{
    int node = 0;
    for (const char *at = cores; *at;) {
        int each = number(&at);
        int times = 1;
        if (at[0] == '(' && at[1] == 'x') {
            at += 2;
            times = number(&at);
            if (*at == ')')
                at++;
            else
                times = -1;
        }
        if (each < 1 || times < 1 || (*at && *at != ','))
            return cox_err_set(err, COX_EINVAL, "cores '%s' are not like 4(x2),2", cores);
        at += *at == ',';
        for (; times && node < list->n; times--)
            list->nodes[node++].cores = each;
        if (times)
            return cox_err_set(err, COX_EINVAL, "cores '%s' are of more than the %d nodes", cores,
                               list->n);
    }
    if (node != list->n)
        return cox_err_set(err, COX_EINVAL, "cores '%s' are of %d nodes, there are %d", cores, node,
                           list->n);
    return COX_OK;
}

int cox_slurm_nodes(struct cox_slurm_node **nodes, int *n, const char *names, const char *cores,
                    struct cox_err *err)
{
    struct list list = {NULL, 0, 0};
    int rc = COX_OK;
    *nodes = NULL;
    *n = 0;
    for (const char *at = names; !rc;) {
        const char *end = name_end(at);
        rc = expand(&list, "", at, end, err);
        if (!*end)
            break;
        at = end + 1;
    }
    if (rc)
        cox_err_wrap(err, rc, "nodes '%s'", names);
    else
        rc = deal_cores(&list, cores, err);
    if (rc) {
        cox_free(list.nodes);
        return rc;
    }
    *nodes = list.nodes;
    *n = list.n;
    return COX_OK;
}

/* The first line of srun that says what went wrong, without "srun: error: ". */
static void first_error(const char *words, char *out, size_t size)
{
    static const char mark[] = "srun: error: ";
    const char *at = strstr(words, mark);
    at = at ? at + sizeof mark - 1 : words;
    snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static void set_lost(struct cox_task_end *end, const char *words, const char *otherwise)
{
    char why[sizeof end->reason];
    first_error(words, why, sizeof why);
    end->ok = false;
    end->code = -1;
    end->lost = true;
    snprintf(end->reason, sizeof end->reason, "lost: %s", why[0] ? why : otherwise);
}

static void set_signal(struct cox_task_end *end, int number)
{
    cox_task_end_set(end, number); /* a wait status below 127 is a signal */
}

enum cox_slurm_verdict cox_slurm_end(struct cox_task_end *end, const struct cox_task_end *srun,
                                     const char *words, enum cox_slurm_asked asked)
{
    *end = (struct cox_task_end){.ended_s = srun->ended_s};
    if (strstr(words, "Node failure on ")) {
        set_lost(end, strstr(words, "Node failure on "), "");
        return COX_SLURM_NODE_GONE;
    }
    if (strstr(words, "Requested node configuration is not available")) {
        set_lost(end, words, "");
        return COX_SLURM_NODE_GONE;
    }
    /* srun that is told to end before it has a step says 0, too: who was to be killed has not done
     * its work */
    if (srun->ok && asked != COX_SLURM_FORCED && !strstr(words, " failed on node ")) {
        end->ok = true;
        snprintf(end->reason, sizeof end->reason, "exit code 0");
        return COX_SLURM_NODE_FINE;
    }
    if (strstr(words, ": task 0: Exited with exit code ")) {
        cox_task_end_set(end, srun->code << 8);
        return COX_SLURM_NODE_FINE;
    }
    /* Our own SIGINT or SIGTERM ends srun only before it has begun a step. After any other nobody
     * knows what became of the step. */
    if (srun->signal && (asked == COX_SLURM_NOTHING || srun->signal == SIGKILL)) {
        set_lost(end, words, "srun was killed");
        return COX_SLURM_NODE_SUSPECT;
    }
    if (strstr(words, ": task 0: ") && srun->code > 128 && srun->code < 128 + 64) {
        set_signal(end, srun->code - 128);
        end->lost = asked == COX_SLURM_NOTHING && strstr(words, "Job step aborted") != NULL;
        if (end->lost)
            snprintf(end->reason, sizeof end->reason, "lost: cancelled by Slurm");
        return COX_SLURM_NODE_FINE;
    }
    if (asked != COX_SLURM_NOTHING) { /* before its step began, or too fast for srun to say more */
        set_signal(end, asked == COX_SLURM_FORCED ? SIGKILL : SIGINT);
        return COX_SLURM_NODE_FINE;
    }
    set_lost(end, words, "srun ended without a word");
    return COX_SLURM_NODE_SUSPECT;
}
