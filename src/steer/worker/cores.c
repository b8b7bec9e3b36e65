/* SPDX-License-Identifier: BSD-3-Clause */
/* The cores that the coordinator grants to a worker. */
#include "steer/worker/worker.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "stream/message.h"

/* Every thread of this process: those that exist keep their own masks, later ones inherit. */
static void pin(const int64_t *list, int n)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < n; i++)
        if (list[i] >= 0 && list[i] < CPU_SETSIZE)
            CPU_SET((size_t)list[i], &set);
    DIR *threads = CPU_COUNT(&set) ? opendir("/proc/self/task") : NULL;
    int failed = 0;
    for (struct dirent *entry; threads && (entry = readdir(threads));) {
        long long id;
        if (!cox_parse_int(entry->d_name, &id) && sched_setaffinity((pid_t)id, sizeof set, &set) &&
            errno != ESRCH)
            failed = errno;
    }
    if (threads)
        closedir(threads);
    if (failed)
        cox_log(COX_LOG_WARN, "cannot run on the cores that were granted: %s", strerror(failed));
}

int cox_worker_grant(struct cox_worker *worker, const struct cox_message *cores, int *n,
                     struct cox_err *err)
{
    const int64_t *list = cox_message_ints(cores, "list", n);
    if (!list || !*n)
        return COX_OK;
    pin(list, *n);
    if (cox_team_threads(worker->team) == *n)
        return COX_OK;
    struct cox_team *team = NULL;
    int rc = cox_team_create(&team, *n, err);
    if (rc)
        return rc;
    cox_team_destroy(worker->team);
    worker->team = team;
    return COX_OK;
}
