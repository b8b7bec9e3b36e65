/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "stream/link.h"

#define PATIENCE 10.0 /* seconds; reached only when something is broken */

static struct cox_message *numbered(const char *type, int64_t n)
{
    struct cox_message *m = cox_message_create(type);
    cox_message_set_int(m, "n", n);
    return m;
}

/* The next message must be `type` from `peer` with n. */
static void hub_gets(struct cox_hub *hub, const char *peer, const char *type, int64_t n)
{
    struct cox_message *m;
    char from[COX_PEER_SIZE];
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_hub_receive(hub, PATIENCE, NULL, 0, &m, from, &err), COX_OK);
    assert_non_null(m);
    assert_string_equal(from, peer);
    assert_string_equal(cox_message_type(m), type);
    assert_int_equal(cox_message_int(m, "n", -1), n);
    cox_message_destroy(m);
}

static void link_gets(struct cox_link *link, const char *type, int64_t n)
{
    struct cox_message *m;
    assert_int_equal(cox_link_receive(link, PATIENCE, NULL, 0, &m, NULL), COX_OK);
    assert_non_null(m);
    assert_string_equal(cox_message_type(m), type);
    assert_int_equal(cox_message_int(m, "n", -1), n);
    cox_message_destroy(m);
}

static void converse(const char *endpoint, const struct cox_keys *keys)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_hub *hub;
    struct cox_link *links[3];
    char name[16];
    if (cox_hub_create(&hub, endpoint, keys, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "sim-%d", i);
        if (cox_link_create(&links[i], cox_hub_endpoint(hub), name, keys, &err))
            fail_msg("%s", err.text);
        assert_int_equal(cox_link_send(links[i], numbered("hello", i), NULL), COX_OK);
        hub_gets(hub, name, "hello", i);
        assert_int_equal(cox_hub_send(hub, name, numbered("welcome", 10 + i), NULL), COX_OK);
        link_gets(links[i], "welcome", 10 + i);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(cox_hub_send(hub, "sim-1", numbered("alive", i), NULL), COX_OK);
    for (int i = 0; i < 100; i++)
        link_gets(links[1], "alive", i);
    assert_int_equal(cox_hub_send(hub, "sim-7", numbered("alive", 0), &err), COX_ENOTFOUND);
    assert_non_null(strstr(err.text, "'sim-7': not connected"));
    /* the last word of a link that goes arrives */
    assert_int_equal(cox_link_send(links[2], numbered("bye", 1), NULL), COX_OK);
    for (int i = 0; i < 3; i++)
        cox_link_destroy(links[i]);
    hub_gets(hub, "sim-2", "bye", 1);
    assert_int_equal(cox_hub_refused(hub), 0);
    cox_hub_destroy(hub);
}

static void a_hub_and_its_links_talk(void **state)
{
    (void)state;
    struct cox_keys keys;
    uint64_t before = cox_mem_in_use();
    converse("ipc", NULL);
    assert_int_equal(cox_keys_create(&keys, NULL), COX_OK);
    converse("tcp://127.0.0.1:*", &keys);
    assert_int_equal(cox_mem_in_use(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hub_and_its_links_talk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
