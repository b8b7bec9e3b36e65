/* SPDX-License-Identifier: BSD-3-Clause */
/* When a run ends. Everything is derived from the frames, so that an interrupted run decides alike.
 */
#include "steer/coordinator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t first_of_round(const struct cox_frames *f, int round)
{
    int64_t low = 0;
    int64_t high = f->n; /* rounds do not fall along the frames */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (f->round[middle] < round)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Frames stand lane by lane within a round; the median is by counting. */
int cox_coordinator_arrived(const struct cox_coordinator *c, int round)
{
    const struct cox_frames *f = &c->frames;
    double target = c->settings->stop.target.rmsd_A;
    if (isnan(target) || f->rmsd < 0 || round < 0)
        return 0;
    int arrived = 0;
    int64_t end = first_of_round(f, round + 1);
    for (int64_t i = first_of_round(f, round); i < end;) {
        int lane = f->lane[i];
        int within = 0;
        int n = 0;
        for (; i < end && f->lane[i] == lane; i++, n++)
            within += cox_frames_value(f, i, f->rmsd) <= target;
        arrived += 2 * within > n;
    }
    return arrived;
}

int cox_coordinator_new_states(const struct cox_coordinator *c, int rounds)
{
    const struct cox_frames *f = &c->frames;
    int64_t first = first_of_round(f, c->round - rounds);
    int n = 0;
    while (n < f->n_states && f->leader[f->n_states - 1 - n] >= first)
        n++;
    return n;
}

int64_t cox_coordinator_best(const struct cox_coordinator *c, int first_round)
{
    const struct cox_frames *f = &c->frames;
    int column = f->objective >= 0 ? f->objective : f->rmsd;
    int64_t best = -1;
    if (column < 0)
        return -1;
    for (int64_t i = first_of_round(f, first_round); i < f->n; i++) {
        double value = cox_frames_value(f, i, column);
        double so_far = cox_frames_value(f, best < 0 ? i : best, column);
        if (isnan(value))
            continue;
        if (best < 0 || (f->maximise ? value > so_far : value < so_far))
            best = i;
    }
    return best;
}

static bool on_target(const struct cox_coordinator *c)
{
    const struct cox_settings_target *t = &c->settings->stop.target;
    int lanes = c->settings->simulation.replicas;
    if (isnan(t->rmsd_A) || c->round < t->segments)
        return false;
    for (int k = 1; k <= t->segments; k++)
        if (cox_coordinator_arrived(c, c->round - k) < (int)ceil(t->lanes * lanes - 1e-9))
            return false;
    return true;
}

static bool converged(const struct cox_coordinator *c)
{
    const struct cox_settings_convergence *v = &c->settings->stop.convergence;
    double ns = c->settings->simulation.segment_ps * 1e-3 * c->settings->simulation.replicas;
    if (v->new_states_per_ns <= 0 || c->round < v->rounds)
        return false;
    return cox_coordinator_new_states(c, v->rounds) / (ns * v->rounds) < v->new_states_per_ns;
}

enum cox_stop_reason cox_coordinator_stop(const struct cox_coordinator *c, char *text, size_t size)
{
    const struct cox_settings_stop *s = &c->settings->stop;
    int lanes = c->settings->simulation.replicas;
    text[0] = '\0';
    if (on_target(c)) {
        snprintf(text, size, "target reached: %d of %d replicas within %g Å of the reference",
                 cox_coordinator_arrived(c, c->round - 1), lanes, s->target.rmsd_A);
        return COX_STOP_TARGET;
    }
    if (converged(c)) {
        snprintf(text, size, "converged: %d new states in the last %d rounds",
                 cox_coordinator_new_states(c, s->convergence.rounds), s->convergence.rounds);
        return COX_STOP_CONVERGED;
    }
    if (!isnan(s->simulated_ns) && c->ns >= s->simulated_ns - 1e-9) {
        snprintf(text, size, "limit of %g ns reached", s->simulated_ns);
        return COX_STOP_SIMULATED;
    }
    if (s->rounds != COX_CONFIG_UNSET && c->round >= s->rounds) {
        snprintf(text, size, "limit of %d rounds reached", s->rounds);
        return COX_STOP_ROUNDS;
    }
    if (!isnan(s->wall_minutes) && cox_record_seconds(&c->record) >= s->wall_minutes * 60) {
        snprintf(text, size, "limit of %g minutes reached", s->wall_minutes);
        return COX_STOP_WALL;
    }
    return COX_STOP_NONE;
}

double cox_coordinator_done(const struct cox_coordinator *c)
{
    const struct cox_settings_stop *s = &c->settings->stop;
    double done = NAN;
    if (!isnan(s->simulated_ns))
        done = fmax(done, c->ns / s->simulated_ns);
    if (s->rounds != COX_CONFIG_UNSET)
        done = fmax(done, (double)c->round / s->rounds);
    if (!isnan(s->wall_minutes))
        done = fmax(done, cox_record_seconds(&c->record) / (s->wall_minutes * 60));
    return done;
}
