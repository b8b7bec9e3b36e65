/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int spawn(const struct cox_process *p, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    rc = posix_spawn_file_actions_addchdir_np(&actions, p->directory);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(&actions, 1, p->output, O_WRONLY | O_CREAT | O_TRUNC,
                                              0600);
    if (!rc && p->errors)
        rc = posix_spawn_file_actions_addopen(&actions, 2, p->errors, O_WRONLY | O_CREAT | O_TRUNC,
                                              0600);
    else if (!rc)
        rc = posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (!rc)
        rc = posix_spawnp(pid, p->argv[0], &actions, NULL, (char *const *)p->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* Looks every few milliseconds: a signal may reach this process alone, and must end the other. */
static int await(const struct cox_process *p, pid_t pid, int *status)
{
    struct timespec pause = {0, 2000000};
    bool cancelled = false;
    for (;;) {
        pid_t done = waitpid(pid, status, WNOHANG);
        if (done == pid)
            return cancelled ? COX_ECANCELLED : COX_OK;
        if (done < 0 && errno != EINTR)
            return COX_EIO;
        if (!cancelled && p->cancel && atomic_load(p->cancel)) {
            kill(pid, SIGTERM);
            cancelled = true;
        }
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < 30000000)
            pause.tv_nsec += 2000000;
    }
}

int cox_process_run(const struct cox_process *p, int *exit_status, struct cox_err *err)
{
    pid_t pid = 0;
    int status = 0;
    *exit_status = -1;
    int error = spawn(p, &pid);
    if (error)
        return cox_err_set(err, error == ENOENT ? COX_ENOTFOUND : COX_EEXTERNAL,
                           "cannot start '%s': %s", p->argv[0], strerror(error));
    int rc = await(p, pid, &status);
    if (rc == COX_EIO)
        return cox_err_errno(err, "cannot wait for '%s'", p->argv[0]);
    if (rc == COX_ECANCELLED || (p->cancel && atomic_load(p->cancel)))
        return cox_err_set(err, COX_ECANCELLED, "interrupted while '%s' ran", p->argv[0]);
    *exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return COX_OK;
}
