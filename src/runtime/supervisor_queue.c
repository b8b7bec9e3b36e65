/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is next. The earliest task that fits starts, so a large one does not hold up small ones; but
 * each may be overtaken only so often, then nothing that competes with it starts until it fits. */
#include "runtime/supervisor_internal.h"

#include "base/mem.h"

enum { MOST_OVERTAKEN = 64 };

static bool same(const struct cox_held *a, const struct cox_held *b)
{
    return a->cores == b->cores && a->memory_gb == b->memory_gb &&
           a->accelerators == b->accelerators;
}

static bool compete(const struct cox_held *a, const struct cox_held *b)
{
    return (a->cores && b->cores) || (a->accelerators && b->accelerators) ||
           (a->memory_gb > 0 && b->memory_gb > 0);
}

static struct cox_line *line_of(struct cox_supervisor *s, const struct cox_held *needs)
{
    for (int i = 0; i < s->n_lines; i++)
        if (same(&s->lines[i].needs, needs))
            return &s->lines[i];
    return NULL;
}

int cox_queue_reserve(struct cox_supervisor *s, const struct cox_held *needs, struct cox_err *err)
{
    if (line_of(s, needs))
        return COX_OK;
    if (s->n_lines == s->line_capacity) {
        int capacity = s->line_capacity ? 2 * s->line_capacity : 4;
        struct cox_line *lines = cox_realloc(s->lines, (size_t)capacity, sizeof *lines);
        if (!lines)
            return cox_err_set(err, COX_ENOMEM, "out of memory");
        s->lines = lines;
        s->line_capacity = capacity;
    }
    s->lines[s->n_lines++] = (struct cox_line){.needs = *needs, .first = -1, .last = -1};
    return COX_OK;
}

/* Numbers grow in the order of adding, so a restart goes back to where it was. */
void cox_queue_push(struct cox_supervisor *s, int id)
{
    struct cox_held needs = cox_held_of(&s->entries[id].task);
    struct cox_line *line = line_of(s, &needs);
    int before = -1;
    if (line->last >= 0 && line->last < id)
        before = line->last;
    else
        for (int i = line->first; i >= 0 && i < id; i = s->entries[i].next_in_line)
            before = i;
    int after = before < 0 ? line->first : s->entries[before].next_in_line;
    s->entries[id].next_in_line = after;
    if (before < 0) {
        line->first = id;
        line->overtaken = 0;
    } else {
        s->entries[before].next_in_line = id;
    }
    if (after < 0)
        line->last = id;
}

void cox_queue_remove(struct cox_supervisor *s, int id)
{
    struct cox_held needs = cox_held_of(&s->entries[id].task);
    struct cox_line *line = line_of(s, &needs);
    int before = -1;
    for (int i = line->first; i != id; i = s->entries[i].next_in_line)
        before = i;
    int after = s->entries[id].next_in_line;
    if (before < 0) {
        line->first = after;
        line->overtaken = 0;
    } else {
        s->entries[before].next_in_line = after;
    }
    if (after < 0)
        line->last = before;
}

int cox_queue_choose(const struct cox_supervisor *s)
{
    const struct cox_line *patient = NULL; /* the earliest that will be overtaken no more */
    for (int i = 0; i < s->n_lines; i++) {
        const struct cox_line *line = &s->lines[i];
        if (line->first >= 0 && line->overtaken >= MOST_OVERTAKEN &&
            (line->refused || !cox_executor_fits(s->executor, &line->needs)) &&
            (!patient || line->first < patient->first))
            patient = line;
    }
    int chosen = -1;
    for (int i = 0; i < s->n_lines; i++) {
        const struct cox_line *line = &s->lines[i];
        if (line->first < 0 || line->refused || (chosen >= 0 && line->first > chosen) ||
            !cox_executor_fits(s->executor, &line->needs))
            continue;
        if (patient && line->first > patient->first && compete(&line->needs, &patient->needs))
            continue;
        chosen = line->first;
    }
    return chosen;
}

void cox_queue_passed(struct cox_supervisor *s, int id)
{
    struct cox_held needs = cox_held_of(&s->entries[id].task);
    for (int i = 0; i < s->n_lines; i++)
        if (s->lines[i].first >= 0 && s->lines[i].first < id && compete(&s->lines[i].needs, &needs))
            s->lines[i].overtaken++;
}

void cox_queue_refuse(struct cox_supervisor *s, int id)
{
    struct cox_held needs = cox_held_of(&s->entries[id].task);
    line_of(s, &needs)->refused = true;
}

void cox_queue_ask_again(struct cox_supervisor *s)
{
    for (int i = 0; i < s->n_lines; i++)
        s->lines[i].refused = false;
}
