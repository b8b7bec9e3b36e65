/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/supervisor_internal.h"

static double when(const struct cox_supervisor *s, int place)
{
    return s->entries[s->due[place]].due_s;
}

static void put(struct cox_supervisor *s, int place, int id)
{
    s->due[place] = id;
    s->entries[id].due_at = place;
}

static void settle(struct cox_supervisor *s, int place)
{
    int id = s->due[place];
    double mine = s->entries[id].due_s;
    while (place > 0 && mine < when(s, (place - 1) / 2)) {
        put(s, place, s->due[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        int child = 2 * place + 1;
        if (child >= s->n_due)
            break;
        if (child + 1 < s->n_due && when(s, child + 1) < when(s, child))
            child++;
        if (!(when(s, child) < mine))
            break;
        put(s, place, s->due[child]);
        place = child;
    }
    put(s, place, id);
}

void cox_due_set(struct cox_supervisor *s, int id, double at)
{
    struct cox_entry *e = &s->entries[id];
    e->due_s = at;
    if (e->due_at < 0)
        put(s, s->n_due++, id);
    settle(s, e->due_at);
}

void cox_due_remove(struct cox_supervisor *s, int id)
{
    int place = s->entries[id].due_at;
    if (place < 0)
        return;
    s->entries[id].due_at = -1;
    int last = s->due[--s->n_due];
    if (last == id)
        return;
    put(s, place, last);
    settle(s, place);
}
