/* SPDX-License-Identifier: BSD-3-Clause */
/* Making the regressor: options, layers, members. */
#include "learn/regressor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "learn/regressor_net.h"

#define SALT_MEMBER 0x7265670000u /* + the member's number */

static int check_int(const char *name, int value, int least, int most, struct cox_err *err)
{
    if (value >= least && value <= most)
        return COX_OK;
    return cox_err_set(err, COX_EINVAL, "regressor: %s is %d, allowed are %d to %d", name, value,
                       least, most);
}

static int check_layers(const struct cox_regressor_options *o, struct cox_err *err)
{
    int rc = check_int("hidden_layers", o->hidden_layers, 0, COX_REGRESSOR_MAX_HIDDEN, err);
    for (int i = 0; i < o->hidden_layers && rc == COX_OK; i++) {
        rc = check_int("hidden", o->hidden[i], 1, 8192, err);
        if (rc == COX_OK)
            rc = check_int("activation", (int)o->activation[i], COX_ACTIVATION_NONE,
                           COX_ACTIVATION_TANH, err);
    }
    return rc;
}

int cox_regressor_options_check(const struct cox_regressor_options *o, int n_in, int n_out,
                                struct cox_err *err)
{
    int rc = check_int("number of inputs", n_in, 1, 4096, err);
    if (rc == COX_OK)
        rc = check_int("number of outputs", n_out, 1, 65536, err);
    if (rc == COX_OK)
        rc = check_int("members", o->members, 1, COX_REGRESSOR_MAX_MEMBERS, err);
    if (rc == COX_OK)
        rc = check_layers(o, err);
    if (rc == COX_OK)
        rc = check_int("batch", o->batch, 1, 4096, err);
    if (rc == COX_OK)
        rc = check_int("scaling", (int)o->scaling, COX_REGRESSOR_EACH_OUTPUT,
                       COX_REGRESSOR_WHOLE_PROFILE, err);
    if (rc == COX_OK && !(o->dropout >= 0 && o->dropout < 1))
        rc = cox_err_set(err, COX_EINVAL, "regressor: dropout is %g, allowed is 0 <= dropout < 1",
                         o->dropout);
    if (rc == COX_OK && !(o->learning_rate > 0 && o->learning_rate <= 1))
        rc =
            cox_err_set(err, COX_EINVAL, "regressor: learning_rate is %g, allowed is 0 < rate <= 1",
                        o->learning_rate);
    if (rc == COX_OK && !(o->error_floor > 0 && o->error_floor <= 1e6))
        rc = cox_err_set(err, COX_EINVAL,
                         "regressor: error_floor is %g, allowed is 0 < floor <= 1e6",
                         o->error_floor);
    return rc;
}

static int make_member(struct cox_regressor *r, struct cox_regressor_member *m, struct cox_err *err)
{
    const struct cox_regressor_options *o = &r->options;
    int rc = cox_params_create(&m->params, err), in = r->n_in;
    for (int i = 0; i < r->n_layers && rc == COX_OK; i++) {
        const bool last = i == o->hidden_layers;
        const int out = last ? r->n_out : o->hidden[i];
        char name[32];
        snprintf(name, sizeof name, "layer%d", i);
        rc = cox_dense_init(&r->layers[i], m->params, name, in, out,
                            last ? COX_ACTIVATION_NONE : o->activation[i], r->kernels, err);
        r->layers[i].drop = last ? 0 : (float)o->dropout;
        in = out;
    }
    if (rc == COX_OK)
        rc = cox_params_commit(m->params, err);
    m->optimizer = (struct cox_optimizer)COX_OPTIMIZER_ADAM_INIT;
    m->optimizer.learning_rate = o->learning_rate;
    return rc;
}

void cox_regressor_member_draw(struct cox_regressor_member *m)
{
    cox_params_draw(m->params, m->seed);
    m->optimizer.steps = 0;
}

int cox_regressor_create(struct cox_regressor **out, int n_in, int n_out,
                         const struct cox_regressor_options *options, struct cox_team *team,
                         struct cox_err *err)
{
    const struct cox_regressor_options defaults = COX_REGRESSOR_OPTIONS_INIT;
    const struct cox_regressor_options *o = options ? options : &defaults;
    *out = NULL;
    int rc = cox_regressor_options_check(o, n_in, n_out, err);
    if (rc)
        return rc;
    struct cox_regressor *r = cox_alloc(1, sizeof *r);
    if (!r)
        return cox_err_set(err, COX_ENOMEM, "regressor: out of memory");
    r->options = *o;
    r->n_in = n_in;
    r->n_out = n_out;
    r->n_layers = o->hidden_layers + 1;
    r->team = team;
    r->kernels = cox_elementwise_kernels_get(o->isa, err);
    if (!r->kernels)
        rc = cox_err_wrap(err, COX_EUNSUPPORTED, "regressor");
    if (rc == COX_OK)
        rc = cox_regressor_scale_init(&r->inputs, n_in, err);
    if (rc == COX_OK)
        rc = cox_regressor_scale_init(&r->outputs, n_out, err);
    for (int i = 0; i < o->members && rc == COX_OK; i++) {
        r->members[i].seed = cox_seed_mix(o->seed, SALT_MEMBER + (uint64_t)i);
        rc = make_member(r, &r->members[i], err);
        if (rc == COX_OK)
            cox_regressor_member_draw(&r->members[i]);
    }
    if (rc) {
        cox_regressor_destroy(r);
        return rc;
    }
    r->options.isa = r->kernels->isa;
    *out = r;
    return COX_OK;
}

void cox_regressor_destroy(struct cox_regressor *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->options.members; i++)
        cox_params_destroy(r->members[i].params);
    cox_regressor_scale_deinit(&r->inputs);
    cox_regressor_scale_deinit(&r->outputs);
    cox_free(r);
}

int cox_regressor_copy(struct cox_regressor **out, const struct cox_regressor *from,
                       struct cox_team *team, struct cox_err *err)
{
    struct cox_regressor *r;
    const int rc = cox_regressor_create(&r, from->n_in, from->n_out, &from->options, team, err);
    *out = NULL;
    if (rc)
        return rc;
    for (int i = 0; i < r->options.members; i++) {
        const struct cox_params *p = from->members[i].params;
        struct cox_params *q = r->members[i].params;
        const size_t bytes = (size_t)p->floats * sizeof(float);
        memcpy(q->value, p->value, bytes);
        memcpy(q->state[0], p->state[0], bytes);
        memcpy(q->state[1], p->state[1], bytes);
        r->members[i].optimizer = from->members[i].optimizer;
    }
    cox_regressor_scale_copy(&r->inputs, &from->inputs);
    cox_regressor_scale_copy(&r->outputs, &from->outputs);
    r->trained = from->trained;
    r->fits = from->fits;
    r->rows = from->rows;
    memcpy(r->version, from->version, sizeof r->version);
    *out = r;
    return COX_OK;
}

int cox_regressor_set_version(struct cox_regressor *r, const char *version, struct cox_err *err)
{
    if (strlen(version) >= sizeof r->version)
        return cox_err_set(err, COX_EINVAL,
                           "regressor: the version '%s' has %zu bytes, allowed are %zu", version,
                           strlen(version), sizeof r->version - 1);
    snprintf(r->version, sizeof r->version, "%s", version);
    return COX_OK;
}

const char *cox_regressor_version(const struct cox_regressor *r)
{
    return r->version;
}

int cox_regressor_inputs(const struct cox_regressor *r)
{
    return r->n_in;
}

int cox_regressor_outputs(const struct cox_regressor *r)
{
    return r->n_out;
}

bool cox_regressor_is_trained(const struct cox_regressor *r)
{
    return r->trained;
}

int64_t cox_regressor_fits(const struct cox_regressor *r)
{
    return r->fits;
}

int64_t cox_regressor_rows(const struct cox_regressor *r)
{
    return r->rows;
}

int64_t cox_regressor_parameters(const struct cox_regressor *r)
{
    return cox_params_count(r->members[0].params);
}

const struct cox_regressor_options *cox_regressor_get_options(const struct cox_regressor *r)
{
    return &r->options;
}

void cox_regressor_output_range(const struct cox_regressor *r, int j, double *least,
                                double *largest)
{
    *least = r->outputs.least[j];
    *largest = r->outputs.least[j] + r->outputs.width[j];
}
