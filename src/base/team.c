/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

struct worker {
    struct cox_team *team;
    pthread_t thread;
    int number;
};

struct cox_team {
    int threads;
    struct worker *workers; /* threads - 1 of them */
    int started;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* a job was posted, or stop */
    pthread_cond_t done; /* the last worker left the job */
    unsigned long job;   /* number of the posted job */
    int active;          /* workers still in it */
    bool stop;
    atomic_int next;
    int n;
    cox_team_work *work;
    void *user;
};

int cox_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

static void work_through(struct cox_team *team, int thread)
{
    for (;;) {
        int item = atomic_fetch_add(&team->next, 1);
        if (item >= team->n)
            return;
        team->work(team->user, item, thread);
    }
}

static void *worker_main(void *user)
{
    struct worker *self = user;
    struct cox_team *team = self->team;
    unsigned long seen = 0;
    for (;;) {
        pthread_mutex_lock(&team->lock);
        while (!team->stop && team->job == seen)
            pthread_cond_wait(&team->wake, &team->lock);
        bool stop = team->stop;
        seen = team->job;
        pthread_mutex_unlock(&team->lock);
        if (stop)
            return NULL;
        work_through(team, self->number);
        pthread_mutex_lock(&team->lock);
        if (!--team->active)
            pthread_cond_signal(&team->done);
        pthread_mutex_unlock(&team->lock);
    }
}

int cox_team_create(struct cox_team **out, int threads, struct cox_err *err)
{
    *out = NULL;
    if (threads < 0)
        return cox_err_set(err, COX_EINVAL, "threads must be >= 0, not %d", threads);
    if (!threads)
        threads = cox_processors();
    struct cox_team *team = cox_alloc(1, sizeof *team);
    struct worker *workers = cox_alloc((size_t)threads, sizeof *workers);
    if (!team || !workers) {
        cox_free(team);
        cox_free(workers);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d threads", threads);
    }
    team->threads = threads;
    team->workers = workers;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    pthread_cond_init(&team->done, NULL);
    for (int i = 0; i < threads - 1; i++) {
        workers[i] = (struct worker){.team = team, .number = i + 1};
        int rc = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        if (rc) {
            cox_team_destroy(team);
            return cox_err_set(err, COX_EIO, "cannot start thread %d of %d: %s", i + 1, threads,
                               strerror(rc));
        }
        team->started++;
    }
    *out = team;
    return COX_OK;
}

void cox_team_destroy(struct cox_team *team)
{
    if (!team)
        return;
    pthread_mutex_lock(&team->lock);
    team->stop = true;
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; i < team->started; i++)
        pthread_join(team->workers[i].thread, NULL);
    pthread_cond_destroy(&team->wake);
    pthread_cond_destroy(&team->done);
    pthread_mutex_destroy(&team->lock);
    cox_free(team->workers);
    cox_free(team);
}

int cox_team_threads(const struct cox_team *team)
{
    return team ? team->threads : 1;
}

void cox_team_run(struct cox_team *team, int n, cox_team_work *work, void *user)
{
    if (!team || team->threads == 1 || n <= 1) {
        for (int i = 0; i < n; i++)
            work(user, i, 0);
        return;
    }
    pthread_mutex_lock(&team->lock);
    team->work = work;
    team->user = user;
    team->n = n;
    atomic_store(&team->next, 0);
    team->active = team->threads - 1;
    team->job++;
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
    work_through(team, 0);
    pthread_mutex_lock(&team->lock);
    while (team->active)
        pthread_cond_wait(&team->done, &team->lock);
    pthread_mutex_unlock(&team->lock);
}
