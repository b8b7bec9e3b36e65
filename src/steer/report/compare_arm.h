/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside compare: what is known of one arm and of all of them. */
#ifndef COX_STEER_REPORT_COMPARE_ARM_H
#define COX_STEER_REPORT_COMPARE_ARM_H

#include "steer/report/compare.h"
#include "steer/report/data.h"

#define COX_COMPARE_LEVELS 2 /* 50 % and 80 % */

/* One arm's figures. Times in ns are aggregate; divide by the lanes for the time of one replica. */
struct cox_arm {
    struct cox_run_data run;
    char name[96]; /* unique among the arms */
    bool control;
    char strategy[512];
    int group, group_size; /* arms of one strategy, numbered from 0: they share a colour */
    bool first_of_group;
    int *state;       /* [n] k-means state of each frame */
    double *coverage; /* [n] share of the states visited by the i-th frame in time */
    double *best;     /* [n] best RMSD so far, in time; NaN without RMSD */
    double wall_s;
    double segments_per_hour;
    double learn_share; /* of all core time: training, embedding, agent */
    double final_coverage;
    double common_coverage;                /* at the time that the shortest arm reached */
    double reached_ns[COX_COMPARE_LEVELS]; /* NaN: never */
    double reached_s[COX_COMPARE_LEVELS];  /* the same in wall time */
    double speedup[COX_COMPARE_LEVELS];    /* NaN: unknown; infinite never */
    bool at_least[COX_COMPARE_LEVELS];     /* the baseline never got there: a lower bound */
    double best_rmsd_A;
    int64_t best_frame;
    double fold_ns, fold_s; /* first frame within fold_A, NaN: none */
    int ancestors;
};

struct cox_comparison {
    int n;
    struct cox_arm *arms;
    int n_controls; /* 0: the first arm is the baseline */
    int n_groups;
    int k;      /* states made */
    int latent; /* dimensions */
    int64_t frames;
    double fold_A; /* NaN: none given */
    double common_ns;
    double baseline_ns[COX_COMPARE_LEVELS]; /* NaN: no baseline arm got there */
    double baseline_longest_ns;
    bool has_rmsd;
    char reference[256]; /* what RMSD is measured to */
    char rmsd_name[16];
    char model[512]; /* "trained here on 4000 frames, 8 epochs" or the file */
    struct cox_team *team;
};

extern const double cox_compare_levels[COX_COMPARE_LEVELS];

/* compare_states.c: embeds all frames, makes the states, fills state and k. */
int cox_comparison_states(struct cox_comparison *c, const struct cox_compare_options *options,
                          struct cox_err *err) COX_MUST_CHECK;

/* compare_machine.c: what the machine did in the time: rates, shares, timelines on one axis. */
void cox_comparison_machine(struct cox_str *page, const struct cox_comparison *c);

#endif
