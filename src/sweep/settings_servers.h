/* SPDX-License-Identifier: BSD-3-Clause */
/* The section `servers` of a bag.yaml: what servers there are to run on, how long they live, and
 * how they are dealt with. The table is in settings_servers.c. */
#ifndef COX_SWEEP_SETTINGS_SERVERS_H
#define COX_SWEEP_SETTINGS_SERVERS_H

#include "config/config.h"
#include "cox/err.h"
#include "servers/bag.h"

/* One of: a model with its parameters; `traces`, a CSV of observed lifetimes, to which the model is
 * fitted; `fits`, what `cox sweep fit-lifetimes -o` wrote. */
struct cox_settings_lifetime {
    int model; /* enum cox_lifetime_kind; -1: empirical of traces, bathtub of fits, else forever */
    struct cox_config_doubles parameters; /* in the order of struct cox_lifetime */
    const char *traces;                   /* NULL: none */
    const char *column, *value;           /* only the rows whose column has this value */
    const char *fits;                     /* NULL: none */
    const char *group;                    /* of the fits; NULL: the only one */
    int method;                           /* enum cox_fit_method */
};

struct cox_settings_server_type {
    const char *name;
    int cores;
    double price_on_demand; /* USD per hour of a server */
    double price_transient; /* NaN: not sold as one */
    double startup_s;       /* from buying one to its first job; paid for */
    double notice_s;        /* between SIGTERM and the end */
    struct cox_settings_lifetime lifetime;
};

struct cox_settings_server_policy {
    bool on_demand;        /* nothing transient */
    int reuse;             /* enum cox_bag_reuse */
    int checkpoints;       /* enum cox_bag_checkpoints */
    double period_minutes; /* of periodic ones; NaN: the best for the model */
    int time_model;        /* enum cox_time_model */
    int spares;            /* idle good servers kept */
    int explore;           /* first jobs that choose the type of server, each type */
};

struct cox_settings_servers {
    int count;                        /* at a time, at most */
    struct cox_config_sections types; /* struct cox_settings_server_type; n 0: this machine, free */
    struct cox_settings_server_policy policy;
    bool play;               /* on this machine: servers that begin, age and are taken away */
    double seconds_per_hour; /* of a played server: 3600 is real time */
};

extern const struct cox_config_schema cox_sweep_servers_schema;

/* The types with their lifetimes, files read. Owns what the models borrow. */
struct cox_sweep_servers {
    int n;
    struct cox_server_type *type;  /* [n]; prices that are not given are 0 */
    struct cox_lifetime *observed; /* [n] what the traces or the fits' file say, Kaplan and Meier's
                                      estimate: empirical, or forever where there are none */
    double **arrays;               /* [n] of empirical models */
};

/* COX_EINVAL with file:line:column for combinations that make no sense (a lifetime that is given
 * twice, prices that are missing); errors of the files as they come. `section` is where the
 * settings stand in the file: "servers". */
int cox_sweep_servers_create(struct cox_sweep_servers *out,
                             const struct cox_settings_servers *settings,
                             const struct cox_config *config, const char *section,
                             struct cox_err *err) COX_MUST_CHECK;
void cox_sweep_servers_deinit(struct cox_sweep_servers *servers);

/* Only what the settings themselves tell, no file is opened: for cox_sweep_settings_load. */
int cox_sweep_servers_check(const struct cox_settings_servers *settings,
                            const struct cox_config *config, const char *section,
                            struct cox_err *err) COX_MUST_CHECK;

#endif
