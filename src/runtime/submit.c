/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

extern char **environ;

enum { SCRIPT_MAX = 1 << 20, ANSWER_MAX = 2048 };

/* What runs in the job. Before it come the options and the variables cox, file, run, sets. */
static const char body[] =
    "say() { echo \"job $SLURM_JOB_ID, $(date -u +%Y-%m-%dT%H:%M:%SZ): $*\"; }\n"
    "\n"
    "# Slurm may lose sight of a node whose processes live on, and start this job again elsewhere. "
    "The\n"
    "# last start has the run: job.id says which that is, and an earlier one ends as soon as it "
    "reads so.\n"
    "me=$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}\n"
    "mine() { [ \"$(cat \"$run/job.id\" 2>/dev/null)\" = \"$me\" ]; }\n"
    "claim() {\n"
    "    case \"$(cat \"$run/job.id\" 2>/dev/null)\" in\n"
    "    \"$SLURM_JOB_ID\".*) ;;\n"
    "    *) flock --nonblock \"$run\" true || return ;; # run by somebody else: cox will say so\n"
    "    esac\n"
    "    echo \"$me\" >\"$run/job.id.new\" && mv \"$run/job.id.new\" \"$run/job.id\"\n"
    "    flock --timeout 60 \"$run\" true # held while a cox writes to the run\n"
    "}\n"
    "guard() {\n"
    "    while sleep 2; do\n"
    "        [ ! -s \"$run/job.id\" ] || mine || kill -KILL \"$1\"\n"
    "    done\n"
    "}\n"
    "\n"
    "# With --no-kill the job outlives the death of this node, but then without this script. So "
    "somebody\n"
    "# on another node looks whether this one is still of the job, and puts the job back when it "
    "is not.\n"
    "# shellcheck disable=SC2016\n"
    "look='while sleep \"${COX_LOOKOUT_S:-10}\"; do\n"
    "    nodes=$(squeue -h -j \"$SLURM_JOB_ID\" -t RUNNING -o %N) && [ -n \"$nodes\" ] || "
    "continue\n"
    "    scontrol show hostnames \"$nodes\" | grep -qxF \"$1\" || exec scontrol requeue "
    "\"$SLURM_JOB_ID\"\n"
    "done'\n"
    "lookout() {\n"
    "    for node in $(scontrol show hostnames \"$SLURM_JOB_NODELIST\"); do\n"
    "        [ \"$node\" = \"$SLURMD_NODENAME\" ] || env -u SLURM_MEM_PER_CPU -u "
    "SLURM_MEM_PER_NODE \\\n"
    "            srun --overlap --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task=1 --mem=0 "
    "\\\n"
    "            --nodelist=\"$node\" --input=none --output=none --error=none \\\n"
    "            bash -c \"$look\" lookout \"$SLURMD_NODENAME\" 2>/dev/null\n"
    "    done\n"
    "}\n"
    "\n"
    "# Starts the run, or goes on with it where an earlier job left it; waits for its end. A TERM "
    "that\n"
    "# comes meanwhile goes on to cox, which saves its state and ends with status 130.\n"
    "steer() {\n"
    "    if [ -e \"$run/catalog.db\" ]; then\n"
    "        \"$cox\" resume \"$run\" &\n"
    "    else\n"
    "        \"$cox\" run \"$file\" -o \"$run\" \"${sets[@]}\" &\n"
    "    fi\n"
    "    pid=$!\n"
    "    guard \"$pid\" &\n"
    "    watch=$!\n"
    "    [ -z \"$stop\" ] || kill -TERM \"$pid\" 2>/dev/null\n"
    "    while :; do\n"
    "        woken=\n"
    "        wait \"$pid\"\n"
    "        code=$?\n"
    "        [ -n \"$woken\" ] || break # else it was the trap that ended the wait\n"
    "    done\n"
    "    kill \"$watch\"\n"
    "}\n"
    "stop= pid= code=\n"
    "trap 'stop=1 woken=1; say \"told to stop\"; [ -z \"$pid\" ] || kill -TERM \"$pid\" "
    "2>/dev/null' TERM\n"
    "\n"
    "say \"on $SLURM_JOB_NODELIST, start ${SLURM_RESTART_COUNT:-0}\"\n"
    "cd \"$from\" || exit 1\n"
    "claim\n"
    "[ -z \"$requeue\" ] || lookout &\n"
    "steer\n"
    "# Killed by a signal: a crash loses nothing, so it is tried again, but not for ever.\n"
    "for again in 1 2 3; do\n"
    "    [ -z \"$stop\" ] && [ \"$code\" -gt 128 ] && [ \"$code\" -ne 130 ] && mine || break\n"
    "    say \"cox was killed (status $code); going on, attempt $again\"\n"
    "    steer\n"
    "done\n"
    "\n"
    "[ -z \"$stop\" ] || [ \"$code\" -le 128 ] || code=130 # stopped before it could save more\n"
    "if [ \"$code\" -eq 0 ]; then\n"
    "    say \"the run is done\"\n"
    "elif [ \"$code\" -le 128 ]; then\n"
    "    say \"the run failed (status $code); see $run\"\n"
    "elif ! mine; then\n"
    "    say \"another start of this job has the run; this one ends\"\n"
    "elif [ \"$code\" -ne 130 ]; then\n"
    "    say \"cox was killed again and again (status $code); see $run\"\n"
    "elif [ -z \"$requeue\" ]; then\n"
    "    say \"the run is not done; go on with: sbatch $run/job.sh\"\n"
    "elif [ \"$(squeue -h -j \"$SLURM_JOB_ID\" -o %T)\" != RUNNING ]; then\n"
    "    # scancel, or Slurm puts it back itself\n"
    "    say \"the run is not done; the job is being ended from outside, so it does not come back "
    "by itself\"\n"
    "else\n"
    "    say \"the run is not done: the job goes back into the queue\"\n"
    "    trap '' TERM # putting it back ends this script with one\n"
    "    scontrol requeue \"$SLURM_JOB_ID\" || say \"that failed; go on with: sbatch "
    "$run/job.sh\"\n"
    "fi\n"
    "exit \"$code\"\n";

/* Between single quotes a shell leaves everything as it is, but for the quote itself. */
static void add_quoted(struct cox_str *out, const char *text)
{
    cox_str_add(out, "'");
    for (const char *at = text; *at; at++)
        if (*at == '\'')
            cox_str_add(out, "'\\''");
        else
            cox_str_addn(out, at, 1);
    cox_str_add(out, "'");
}

/* sbatch takes the rest of a line apart at blanks; quotes and a backslash keep them together. */
static void add_option(struct cox_str *out, const char *name, const char *value)
{
    cox_str_addf(out, "#SBATCH --%s=\"", name);
    for (const char *at = value; *at; at++) {
        if (*at == '"' || *at == '\\')
            cox_str_add(out, "\\");
        cox_str_addn(out, at, 1);
    }
    cox_str_add(out, "\"\n");
}

/* Slurm fills %j and the like into the name of an output; %% is a percent sign. A backslash
 * switches that off for the whole name, and is then itself written twice. */
static void add_log(struct cox_str *out, const char *directory)
{
    bool off = strchr(directory, '\\') != NULL;
    struct cox_str name;
    cox_str_init(&name, SCRIPT_MAX);
    for (const char *at = directory; *at; at++) {
        if (*at == '\\' || (*at == '%' && !off))
            cox_str_addn(&name, at, 1);
        cox_str_addn(&name, at, 1);
    }
    cox_str_add(&name, "/job.log");
    if (cox_str_status(&name, NULL)) /* out of memory: the whole script is then */
        out->status = name.status;
    else
        add_option(out, "output", cox_str_text(&name));
    cox_str_deinit(&name);
}

static int check_line(const char *what, const char *text, struct cox_err *err)
{
    for (const char *at = text; at && *at; at++)
        if ((unsigned char)*at < ' ')
            return cox_err_set(err, COX_EINVAL, "%s '%s' holds a line break or the like", what,
                               text);
    return COX_OK;
}

static int check(const struct cox_submit *s, struct cox_err *err)
{
    const char *const lines[][2] = {
        {"the run's directory", s->directory}, {"the file", s->file},
        {"the program", s->program},           {"slurm.partition", s->partition},
        {"slurm.account", s->account},         {"the current folder", s->from},
    };
    int rc = COX_OK;
    for (size_t i = 0; !rc && i < sizeof lines / sizeof *lines; i++)
        rc = check_line(lines[i][0], lines[i][1], err);
    for (int i = 0; !rc && i < s->n_set; i++)
        rc = check_line("--set", s->set[i], err);
    for (int i = 0; !rc && i < s->n_extra; i++) {
        rc = check_line("slurm.extra", s->extra[i], err);
        if (!rc && s->extra[i][0] != '-')
            rc = cox_err_set(err, COX_EINVAL,
                             "slurm.extra '%s' is no option of sbatch: it must begin with -",
                             s->extra[i]);
    }
    if (!rc && (s->nodes < 1 || s->cores_per_node < 0 || !(s->time_minutes > 0)))
        rc = cox_err_set(err, COX_EINVAL,
                         "slurm: nodes (%d) must be >= 1, cores_per_node (%d) >= 0, time_minutes "
                         "(%g) > 0",
                         s->nodes, s->cores_per_node, s->time_minutes);
    return rc;
}

static void add_job_name(struct cox_str *out, const char *name)
{
    cox_str_add(out, "#SBATCH --job-name=cox");
    bool gap = true;
    for (const char *at = name; *at; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || *at == '_' || *at == '.';
        if (plain && gap)
            cox_str_add(out, "-");
        if (plain)
            cox_str_addn(out, at, 1);
        gap = !plain;
    }
    cox_str_add(out, "\n");
}

static void add_options(struct cox_str *out, const struct cox_submit *s)
{
    double seconds = ceil(s->time_minutes * 60);
    double warning = fmin(60, floor(seconds / 4)); /* that much before the end */
    add_job_name(out, s->name);
    add_log(out, s->directory);
    cox_str_add(out, "#SBATCH --open-mode=append\n");
    if (s->partition)
        add_option(out, "partition", s->partition);
    if (s->account)
        add_option(out, "account", s->account);
    cox_str_addf(out, "#SBATCH --nodes=%d\n#SBATCH --ntasks-per-node=1\n", s->nodes);
    if (s->cores_per_node)
        cox_str_addf(out, "#SBATCH --cpus-per-task=%d\n", s->cores_per_node);
    else
        cox_str_add(out, "#SBATCH --exclusive\n");
    cox_str_addf(out, "#SBATCH --time=%.0f:%02.0f\n", floor(seconds / 60), fmod(seconds, 60));
    cox_str_addf(out,
                 "# A node that dies takes its tasks along, not the job.\n"
                 "#SBATCH --no-kill\n#SBATCH --%s\n"
                 "# This script hears of its end so many seconds before.\n"
                 "#SBATCH --signal=B:TERM@%.0f\n",
                 s->requeue ? "requeue" : "no-requeue", warning);
    for (int i = 0; i < s->n_extra; i++)
        cox_str_addf(out, "#SBATCH %s\n", s->extra[i]);
}

int cox_submit_script(struct cox_str *out, const struct cox_submit *s, struct cox_err *err)
{
    int rc = check(s, err);
    if (rc)
        return rc;
    cox_str_add(out, "#!/bin/bash\n"
                     "# A run of cox as a batch job, written by 'cox run --submit'. It may be "
                     "edited, and submitted\n"
                     "# again at any time with 'sbatch job.sh': it goes on where the run is.\n");
    add_options(out, s);
    cox_str_add(out, "\ncox=");
    add_quoted(out, s->program);
    cox_str_add(out, "\nfile=");
    add_quoted(out, s->file);
    cox_str_add(out, "\nrun=");
    add_quoted(out, s->directory);
    cox_str_add(out, "\nfrom=");
    add_quoted(out, s->from);
    cox_str_add(out, "\nsets=(");
    for (int i = 0; i < s->n_set; i++) {
        cox_str_add(out, i ? " --set " : "--set ");
        add_quoted(out, s->set[i]);
    }
    cox_str_addf(out, ")\nrequeue=%s # empty: the job does not put itself back\n\n",
                 s->requeue ? "yes" : "");
    cox_str_add(out, body);
    return cox_str_status(out, err);
}

static int spawn_sbatch(pid_t *pid, const char *script, int answer_fd)
{
    const char *argv[] = {"sbatch", "--parsable", script, NULL};
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&actions, answer_fd, 1);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&actions, answer_fd, 2);
    if (!rc)
        rc = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* Up to size - 1 bytes until the end; what is more is read and dropped. */
static void read_answer(int fd, char *text, size_t size)
{
    size_t used = 0;
    char more[256];
    for (;;) {
        ssize_t n = read(fd, more, sizeof more);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        size_t take = (size_t)n < size - 1 - used ? (size_t)n : size - 1 - used;
        memcpy(text + used, more, take);
        used += take;
    }
    while (used && text[used - 1] == '\n')
        used--;
    text[used] = '\0';
}

/* The last line that begins with a digit, up to ';' (behind which a federation names a cluster). */
static bool take_job(char *job, const char *answer)
{
    const char *number = NULL;
    for (const char *line = answer; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (*line >= '0' && *line <= '9')
            number = line;
    }
    if (number)
        snprintf(job, COX_SUBMIT_JOB_SIZE, "%.*s", (int)strcspn(number, ";\n"), number);
    return number != NULL;
}

static int run_sbatch(char *job, const char *script, struct cox_err *err)
{
    int fds[2];
    pid_t pid;
    int status = 0;
    char answer[ANSWER_MAX];
    if (pipe2(fds, O_CLOEXEC))
        return cox_err_errno(err, "cannot make a pipe");
    int error = spawn_sbatch(&pid, script, fds[1]);
    close(fds[1]);
    if (!error)
        read_answer(fds[0], answer, sizeof answer);
    close(fds[0]);
    if (error)
        return cox_err_set(err, error == ENOENT ? COX_ENOTFOUND : COX_EEXTERNAL,
                           "cannot start 'sbatch': %s%s", strerror(error),
                           error == ENOENT ? "; is this a machine of the cluster?" : "");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return cox_err_errno(err, "cannot wait for 'sbatch'");
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return cox_err_set(err, COX_EEXTERNAL, "sbatch refused '%s': %s", script, answer);
    if (!take_job(job, answer))
        return cox_err_set(err, COX_EEXTERNAL, "sbatch named no job: '%s'", answer);
    return COX_OK;
}

int cox_submit_job(char *job, const struct cox_submit *submit, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_str text;
    cox_str_init(&text, SCRIPT_MAX);
    int rc = cox_submit_script(&text, submit, err);
    if (!rc)
        rc = cox_directory_create_private(submit->directory, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, submit->directory, "job.sh", err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    if (!rc && chmod(path, 0700))
        rc = cox_err_errno(err, "cannot make '%s' executable", path);
    if (!rc)
        rc = run_sbatch(job, path, err);
    cox_str_deinit(&text);
    return rc;
}
