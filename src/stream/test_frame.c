/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stream/frame.h"

#define ATOMS 7

static float x[3 * ATOMS], v[3 * ATOMS], values[3] = {1.5f, -2.5f, 300.0f};

static struct cox_stream_frame sample(void)
{
    for (int i = 0; i < 3 * ATOMS; i++) {
        x[i] = 0.25f * (float)i;
        v[i] = -1.0f - (float)i;
    }
    return (struct cox_stream_frame){.system = 0xfedcba9876543210u,
                                     .segment = 1234567890123,
                                     .index = 41,
                                     .lane = 3,
                                     .generation = 9,
                                     .step = 5000000000,
                                     .time_ps = 12345.678,
                                     .n_atoms = ATOMS,
                                     .n_values = 3,
                                     .x = x,
                                     .v = v,
                                     .values = values};
}

static const struct cox_stream_stamp stamp = {.sequence = 77, .first = 70, .epoch = 12};

struct packed {
    char header[COX_FRAME_HEADER_MAX];
    size_t length, bytes;
    float raw[6 * ATOMS + 3];
};

static void pack(const struct cox_stream_frame *f, struct packed *p)
{
    p->bytes = cox_stream_frame_bytes(f);
    assert_true(p->bytes <= sizeof p->raw);
    cox_stream_frame_copy(f, p->raw);
    assert_int_equal(
        cox_stream_frame_pack(f, &stamp, p->header, sizeof p->header, &p->length, NULL), COX_OK);
}

static void frames_come_back_exactly(void **state)
{
    (void)state;
    struct packed p;
    for (int with = 0; with < 4; with++) {
        struct cox_stream_frame f = sample(), g;
        struct cox_stream_stamp s;
        if (!(with & 1))
            f.v = NULL;
        if (!(with & 2)) {
            f.values = NULL;
            f.n_values = 0;
        }
        pack(&f, &p);
        assert_int_equal(p.bytes, 4 * (3 * ATOMS * (with & 1 ? 2 : 1) + (with & 2 ? 3 : 0)));
        assert_int_equal(cox_stream_frame_unpack(&g, &s, p.header, p.length, p.raw, p.bytes, NULL),
                         COX_OK);
        assert_memory_equal(&s, &stamp, sizeof s);
        assert_true(g.system == f.system && g.segment == f.segment && g.step == f.step);
        assert_true(g.index == f.index && g.lane == f.lane && g.generation == f.generation);
        assert_true(g.time_ps == f.time_ps && g.n_atoms == ATOMS && g.n_values == f.n_values);
        assert_memory_equal(g.x, x, sizeof x);
        assert_true((g.v != NULL) == (f.v != NULL) && (g.values != NULL) == (f.values != NULL));
        if (g.v)
            assert_memory_equal(g.v, v, sizeof v);
        if (g.values)
            assert_memory_equal(g.values, values, sizeof values);
    }
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    struct packed p;
    struct cox_err err = COX_ERR_INIT;
    struct cox_stream_frame f = sample();
    f.index = -1;
    assert_int_equal(cox_stream_frame_pack(&f, &stamp, p.header, sizeof p.header, &p.length, &err),
                     COX_EFORMAT);
    assert_non_null(strstr(err.text, "'index' is -1"));
    f = sample();
    f.time_ps = NAN;
    assert_int_equal(cox_stream_frame_pack(&f, &stamp, p.header, sizeof p.header, &p.length, &err),
                     COX_EFORMAT);
    f = sample();
    f.n_values = COX_FRAME_MAX_VALUES + 1;
    assert_int_equal(cox_stream_frame_pack(&f, &stamp, p.header, sizeof p.header, &p.length, &err),
                     COX_EFORMAT);
    f = sample();
    struct cox_stream_stamp late = {.sequence = 5, .first = 6, .epoch = 1};
    assert_int_equal(cox_stream_frame_pack(&f, &late, p.header, sizeof p.header, &p.length, &err),
                     COX_EFORMAT);
    assert_int_equal(cox_stream_frame_pack(&f, &stamp, p.header, 20, &p.length, &err), COX_EINVAL);
}

/* Where `key` is followed by its value in the header. */
static unsigned char *value_of(struct packed *p, const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i + n < p->length; i++)
        if ((unsigned char)p->header[i] == (0xa0 | n) && !memcmp(p->header + i + 1, key, n))
            return (unsigned char *)p->header + i + 1 + n;
    fail_msg("no key '%s'", key);
    return NULL;
}

static int unpacked(const struct packed *p, struct cox_err *err)
{
    struct cox_stream_frame g;
    struct cox_stream_stamp s;
    return cox_stream_frame_unpack(&g, &s, p->header, p->length, p->raw, p->bytes, err);
}

static void foreign_headers_are_refused(void **state)
{
    (void)state;
    struct packed p;
    struct cox_stream_frame f = sample();
    struct cox_err err = COX_ERR_INIT;
    pack(&f, &p);
    *value_of(&p, "version") = 9;
    assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "'version' is 9"));
    pack(&f, &p);
    *value_of(&p, "atoms") = ATOMS - 1;
    assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "bytes instead of"));
    pack(&f, &p);
    *value_of(&p, "atoms") = 0;
    assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    pack(&f, &p);
    *value_of(&p, "lane") = 0xff; /* -1 */
    assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    pack(&f, &p);
    value_of(&p, "lane")[-1] = 'x'; /* another key, and one is missing */
    assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "no 'lane'"));
    pack(&f, &p);
    p.bytes -= 4;
    assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    pack(&f, &p);
    p.header[0] = (char)0xdf; /* a map of ever so many */
    assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    for (size_t cut = 0; pack(&f, &p), cut < p.length; cut++) {
        p.length = cut;
        assert_int_equal(unpacked(&p, &err), COX_EFORMAT);
    }
}

/* A newer producer may send more keys. */
static void unknown_keys_are_left_alone(void **state)
{
    (void)state;
    struct packed p;
    struct cox_stream_frame f = sample();
    pack(&f, &p);
    assert_int_equal((unsigned char)p.header[0], 0x8e); /* a map of 14 */
    p.header[0] = (char)0x8f;
    memcpy(p.header + p.length, "\xa5novel\x93\x01\x02\x03", 10);
    p.length += 10;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(unpacked(&p, &err), COX_OK);
}

static void changes_are_survived(void **state)
{
    (void)state;
    struct packed p;
    struct cox_stream_frame f = sample();
    struct cox_rng rng;
    cox_rng_init(&rng, 5, 0);
    for (int i = 0; i < 20000; i++) {
        pack(&f, &p);
        for (uint32_t k = 1 + cox_rng_below(&rng, 3); k; k--)
            p.header[cox_rng_below(&rng, (uint32_t)p.length)] = (char)cox_rng_u32(&rng);
        int rc = unpacked(&p, NULL);
        assert_true(rc == COX_OK || rc == COX_EFORMAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_exactly),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(foreign_headers_are_refused),
        cmocka_unit_test(unknown_keys_are_left_alone),
        cmocka_unit_test(changes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
