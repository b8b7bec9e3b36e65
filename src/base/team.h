/* SPDX-License-Identifier: BSD-3-Clause */
/* A team of threads that works through numbered items: the house's only threading primitive.
 * Threads sleep on a condition variable between jobs; nothing spins. */
#ifndef COX_BASE_TEAM_H
#define COX_BASE_TEAM_H

#include "cox/err.h"

struct cox_team;

typedef void cox_team_work(void *user, int item, int thread);

/* `threads` >= 1 counts the caller, which works too; 0 = as many as this process may run on. */
int cox_team_create(struct cox_team **out, int threads, struct cox_err *err) COX_MUST_CHECK;
void cox_team_destroy(struct cox_team *team);
int cox_team_threads(const struct cox_team *team);
/* Calls work(user, item, thread) for item = 0 … n-1, each once, in any order, on any thread;
 * returns when all are done. Items must not call cox_team_run on the same team. A NULL team runs
 * them here. */
void cox_team_run(struct cox_team *team, int n, cox_team_work *work, void *user);
/* Processors that this process may run on. */
int cox_processors(void);

#endif
