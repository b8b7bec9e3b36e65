/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

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

/* ---- keys ---- */

static char folder[64];

static const char *at(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void keys_are_kept_in_private(void **state)
{
    (void)state;
    struct cox_keys keys, again;
    struct cox_err err = COX_ERR_INIT;
    struct stat st;
    assert_int_equal(cox_keys_create(&keys, NULL), COX_OK);
    assert_int_equal(cox_keys_save(&keys, at("keys"), NULL), COX_OK);
    assert_int_equal(stat(at("keys"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(cox_keys_load(&again, at("keys"), NULL), COX_OK);
    assert_memory_equal(&keys, &again, sizeof keys);
    assert_int_equal(chmod(at("keys"), 0640), 0);
    assert_int_equal(cox_keys_load(&again, at("keys"), &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(cox_keys_save(&keys, at("keys"), NULL), COX_OK); /* over the old one */
    assert_int_equal(cox_keys_load(&again, at("keys"), NULL), COX_OK);
    assert_int_equal(cox_keys_load(&again, at("none"), &err), COX_ENOTFOUND);
    static const char *const bad[] = {"", "server_public 1234\n", "hello\n"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cox_file_replace(at("bad"), bad[i], strlen(bad[i]), NULL), COX_OK);
        assert_int_equal(chmod(at("bad"), 0600), 0);
        assert_int_equal(cox_keys_load(&again, at("bad"), &err), COX_EFORMAT);
    }
    assert_int_not_equal(cox_keys_save(&keys, at("no/where/keys"), &err), COX_OK);
}

/* ---- who may come in ---- */

/* Until one more is counted than before; nothing may be heard. */
static void hub_refuses(struct cox_hub *hub, int before)
{
    struct cox_message *m;
    char peer[COX_PEER_SIZE];
    double end = cox_clock_seconds() + PATIENCE;
    while (cox_clock_seconds() < end && cox_hub_refused(hub) == before) {
        assert_int_equal(cox_hub_receive(hub, 0.02, NULL, 0, &m, peer, NULL), COX_OK);
        assert_null(m);
    }
    assert_true(cox_hub_refused(hub) > before);
}

static void stranger_is_refused(struct cox_hub *hub, const struct cox_keys *with)
{
    struct cox_link *link;
    int before = cox_hub_refused(hub);
    assert_int_equal(cox_link_create(&link, cox_hub_endpoint(hub), "sim-0", with, NULL), COX_OK);
    assert_int_equal(cox_link_send(link, numbered("hello", 1), NULL), COX_OK);
    hub_refuses(hub, before);
    cox_link_destroy(link);
}

/* Connects a plain DEALER, without any key, under `name`. */
static void *plain_dealer(void *context, const char *endpoint, const char *name)
{
    int none = 0;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    assert_non_null(socket);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    if (name)
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, name, strlen(name));
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static void strangers_are_refused(void **state)
{
    (void)state;
    struct cox_keys keys, wrong, half;
    struct cox_hub *hub;
    assert_int_equal(cox_keys_create(&keys, NULL), COX_OK);
    assert_int_equal(cox_keys_create(&wrong, NULL), COX_OK);
    assert_int_equal(cox_hub_create(&hub, "tcp://127.0.0.1:*", &keys, NULL), COX_OK);
    /* knows the server's public key, but is not the client that the run has */
    half = wrong;
    memcpy(half.server_public, keys.server_public, sizeof half.server_public);
    stranger_is_refused(hub, &half);
    /* another run's keys */
    stranger_is_refused(hub, &wrong);
    /* no keys at all */
    void *context = zmq_ctx_new();
    void *dealer = plain_dealer(context, cox_hub_endpoint(hub), "sim-0");
    int before = cox_hub_refused(hub);
    zmq_send(dealer, "\x81\xa4type\xa5hello", 12, 0);
    hub_refuses(hub, before);
    zmq_close(dealer);
    zmq_ctx_term(context);
    /* after all this the run's own are welcome */
    struct cox_link *link;
    assert_int_equal(cox_link_create(&link, cox_hub_endpoint(hub), "sim-0", &keys, NULL), COX_OK);
    assert_int_equal(cox_link_send(link, numbered("hello", 3), NULL), COX_OK);
    hub_gets(hub, "sim-0", "hello", 3);
    cox_link_destroy(link);
    cox_hub_destroy(hub);
}

static void tcp_needs_keys(void **state)
{
    (void)state;
    struct cox_hub *hub;
    struct cox_link *link;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_hub_create(&hub, "tcp", NULL, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "needs the run's keys"));
    assert_int_equal(cox_hub_create(&hub, "inproc://x", NULL, &err), COX_EINVAL);
    assert_int_equal(cox_link_create(&link, "tcp://127.0.0.1:9", "a", NULL, &err), COX_EINVAL);
    assert_int_equal(cox_link_create(&link, "ipc:///tmp/x", "a b", NULL, &err), COX_EINVAL);
    assert_int_equal(cox_link_create(&link, "ipc:///tmp/x", "", NULL, &err), COX_EINVAL);
    char deep[200] = "ipc:///tmp/";
    memset(deep + strlen(deep), 'd', 150);
    assert_int_equal(cox_hub_create(&hub, deep, NULL, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "107 bytes at most"));
}

static void sockets_are_private(void **state)
{
    (void)state;
    struct cox_hub *hub;
    struct stat st;
    assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
    char path[COX_ENDPOINT_SIZE];
    snprintf(path, sizeof path, "%s", cox_hub_endpoint(hub) + strlen("ipc://"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    *slash = '/';
    if (!geteuid()) { /* somebody else cannot connect */
        pid_t other = fork();
        if (!other) {
            struct sockaddr_un address = {.sun_family = AF_UNIX};
            snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
            int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            if (setgid(65534) || setuid(65534) || fd < 0)
                _exit(2);
            int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
            _exit(rc < 0 && errno == EACCES ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(other, &status, 0), other);
        assert_int_equal(status, 0);
    }
    cox_hub_destroy(hub);
    *slash = '\0';
    assert_int_equal(stat(path, &st), -1); /* nothing is left */
}

/* ---- where sockets live ---- */

static void a_place_that_will_not_do_is_passed_over(void **state)
{
    (void)state;
    struct cox_hub *hub;
    char deep[128];
    snprintf(deep, sizeof deep, "%s/%080d", folder, 0);
    assert_int_equal(mkdir(deep, 0700), 0);
    const char *const poor[] = {"/nowhere/at/all", deep, "relative", "/proc/self"};
    for (int i = 0; i < 4; i++) {
        setenv("XDG_RUNTIME_DIR", poor[i], 1);
        setenv("TMPDIR", poor[i], 1);
        assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
        assert_int_equal(strncmp(cox_hub_endpoint(hub), "ipc:///tmp/cox-", 15), 0);
        cox_hub_destroy(hub);
    }
    setenv("XDG_RUNTIME_DIR", folder, 1);
    assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
    assert_int_equal(strncmp(cox_hub_endpoint(hub) + 6, folder, strlen(folder)), 0);
    cox_hub_destroy(hub);
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv("TMPDIR");
}

/* A process that was killed leaves its folder; the next one takes it away. */
static void what_killed_ones_left_is_swept(void **state)
{
    (void)state;
    static const char *const names[] = {"cox-dead00", "cox-alive0", "cox-files0",
                                        "cox-empty0", "cox-young0", "another"};
    char path[6][128];
    struct stat st;
    int fd = -1;
    for (int i = 0; i < 6; i++) {
        struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
        snprintf(address.sun_path, sizeof address.sun_path, "%.90s/agg-0.7", path[i]);
        assert_int_equal(mkdir(path[i], 0700), 0);
        if (i != 3) {
            fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
            assert_int_equal(utimensat(AT_FDCWD, address.sun_path, old, 0), 0);
        }
        if (i == 1)
            assert_int_equal(listen(fd, 5), 0); /* and it stays open */
        else if (i != 3)
            close(fd);
        if (i == 2) {
            snprintf(address.sun_path, sizeof address.sun_path, "%.90s/file", path[i]);
            assert_int_equal(cox_file_replace(address.sun_path, "mine", 4, NULL), COX_OK);
        }
        if (i != 4)
            assert_int_equal(utimensat(AT_FDCWD, path[i], old, 0), 0);
    }
    setenv("TMPDIR", folder, 1);
    struct cox_hub *hub;
    assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
    for (int i = 0; i < 6; i++) /* the dead and the empty one go, nothing else */
        assert_int_equal(stat(path[i], &st), i == 0 || i == 3 ? -1 : 0);
    cox_hub_destroy(hub);
    unsetenv("TMPDIR");
}

/* ---- waiting and trouble ---- */

static void waiting_ends_for_a_descriptor_and_costs_nothing(void **state)
{
    (void)state;
    struct cox_hub *hub;
    struct cox_message *m;
    char peer[COX_PEER_SIZE];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
    double cpu = cox_clock_process_seconds(), began = cox_clock_seconds();
    assert_int_equal(cox_hub_receive(hub, 0.3, fds, 1, &m, peer, NULL), COX_OK);
    assert_null(m);
    double waited = cox_clock_seconds() - began;
    assert_true(waited >= 0.3);
    assert_true(cox_clock_process_seconds() - cpu < 0.1);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(cox_hub_receive(hub, PATIENCE, fds, 1, &m, peer, NULL), COX_OK);
    assert_true(cox_clock_seconds() - began < waited + PATIENCE);
    assert_null(m);
    int many[16] = {0};
    assert_int_equal(cox_hub_receive(hub, 0.1, many, 16, &m, peer, NULL), COX_EINVAL);
    close(fds[0]);
    close(fds[1]);
    cox_hub_destroy(hub);
}

static void nothing(int number)
{
    (void)number;
}

static void a_signal_ends_a_wait(void **state)
{
    (void)state;
    struct cox_hub *hub;
    struct cox_message *m;
    char peer[COX_PEER_SIZE];
    struct sigaction action = {.sa_handler = nothing}, before;
    struct itimerval soon = {.it_value.tv_usec = 50000}, never = {0};
    assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
    sigaction(SIGALRM, &action, &before);
    double began = cox_clock_seconds();
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(cox_hub_receive(hub, PATIENCE, NULL, 0, &m, peer, NULL), COX_OK);
    assert_null(m);
    assert_true(cox_clock_seconds() - began < PATIENCE);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    cox_hub_destroy(hub);
}

static void malformed_messages_are_dropped_and_counted(void **state)
{
    (void)state;
    struct cox_hub *hub;
    assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
    void *context = zmq_ctx_new();
    void *dealer = plain_dealer(context, cox_hub_endpoint(hub), "sim-0");
    void *odd = plain_dealer(context, cox_hub_endpoint(hub), "../sim");
    void *nameless = plain_dealer(context, cox_hub_endpoint(hub), NULL);
    zmq_send(odd, "\x80", 1, 0);
    zmq_send(nameless, "\x80", 1, 0);
    zmq_send(dealer, "", 0, 0);
    zmq_send(dealer, "rubbish", 7, 0);
    zmq_send(dealer, "\x81\xa1k\xdd\xff\xff\xff\xff", 8, 0);
    zmq_send(dealer, "\x80", 1, ZMQ_SNDMORE);
    zmq_send(dealer, "\x80", 1, ZMQ_SNDMORE);
    zmq_send(dealer, "\x80", 1, 0);
    zmq_send(dealer, "\x82\xa4type\xa2ok\xa1n\x07", 12, 0);
    hub_gets(hub, "sim-0", "ok", 7);
    struct cox_message *m;
    char peer[COX_PEER_SIZE];
    double end = cox_clock_seconds() + PATIENCE;
    while (cox_hub_refused(hub) < 6 && cox_clock_seconds() < end) {
        assert_int_equal(cox_hub_receive(hub, 0.05, NULL, 0, &m, peer, NULL), COX_OK);
        assert_null(m);
    }
    assert_int_equal(cox_hub_refused(hub), 6);
    zmq_close(dealer);
    zmq_close(odd);
    zmq_close(nameless);
    zmq_ctx_term(context);
    cox_hub_destroy(hub);
}

static void a_full_queue_is_told(void **state)
{
    (void)state;
    struct cox_link *link;
    struct cox_err err = COX_ERR_INIT;
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/nobody", folder);
    assert_int_equal(cox_link_create(&link, endpoint, "sim-0", NULL, NULL), COX_OK);
    int rc = COX_OK, sent = 0;
    while (!rc && sent < 100000) {
        rc = cox_link_send(link, numbered("heartbeat", sent), &err);
        sent += !rc;
    }
    assert_int_equal(rc, COX_EIO);
    assert_non_null(strstr(err.text, "full"));
    assert_true(sent > 1000);
    cox_link_destroy(link);
}

static struct cox_message *of_epoch(const char *type, int64_t n, int64_t epoch)
{
    struct cox_message *m = numbered(type, n);
    cox_message_set_int(m, "epoch", epoch);
    return m;
}

/* An orphan that comes back: it is told so, and its successor goes on undisturbed. */
static void an_orphan_does_not_take_its_successors_place(void **state)
{
    (void)state;
    struct cox_hub *hub;
    struct cox_link *orphan, *next;
    assert_int_equal(cox_hub_create(&hub, "ipc", NULL, NULL), COX_OK);
    assert_int_equal(cox_link_create(&next, cox_hub_endpoint(hub), "sim-0", NULL, NULL), COX_OK);
    assert_int_equal(cox_link_send(next, of_epoch("hello", 1, 8), NULL), COX_OK);
    hub_gets(hub, "sim-0", "hello", 1);
    assert_int_equal(cox_link_create(&orphan, cox_hub_endpoint(hub), "sim-0", NULL, NULL), COX_OK);
    assert_int_equal(cox_link_send(orphan, of_epoch("heartbeat", 2, 7), NULL), COX_OK);
    hub_gets(hub, "sim-0", "heartbeat", 2);
    assert_int_equal(cox_hub_send(hub, "sim-0", of_epoch("fenced", 3, 7), NULL), COX_OK);
    assert_int_equal(cox_hub_send(hub, "sim-0", numbered("assign", 4), NULL), COX_OK);
    link_gets(orphan, "fenced", 3);
    link_gets(next, "assign", 4);
    assert_int_equal(cox_link_send(next, of_epoch("ended", 5, 8), NULL), COX_OK);
    hub_gets(hub, "sim-0", "ended", 5);
    cox_link_destroy(orphan);
    cox_link_destroy(next);
    cox_hub_destroy(hub);
}

/* What was queued before the hub was there arrives, and a hub that comes back is found again. */
static void links_outlive_their_hub(void **state)
{
    (void)state;
    struct cox_hub *hub;
    struct cox_link *link;
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/again", folder);
    assert_int_equal(cox_link_create(&link, endpoint, "sim-0", NULL, NULL), COX_OK);
    assert_int_equal(cox_link_send(link, numbered("hello", 0), NULL), COX_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cox_hub_create(&hub, endpoint, NULL, NULL), COX_OK);
        hub_gets(hub, "sim-0", "hello", i);
        assert_int_equal(cox_hub_send(hub, "sim-0", numbered("welcome", i), NULL), COX_OK);
        link_gets(link, "welcome", i);
        cox_hub_destroy(hub);
        /* the connection must be seen to be gone before something is sent into it */
        struct cox_message *m;
        assert_int_equal(cox_link_receive(link, 0.1, NULL, 0, &m, NULL), COX_OK);
        assert_null(m);
        assert_int_equal(cox_link_send(link, numbered("hello", i + 1), NULL), COX_OK);
    }
    cox_link_destroy(link);
}

static int set_up(void **state)
{
    (void)state;
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv("TMPDIR");
    snprintf(folder, sizeof folder, "/tmp/cox-link-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hub_and_its_links_talk),
        cmocka_unit_test(keys_are_kept_in_private),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(tcp_needs_keys),
        cmocka_unit_test(sockets_are_private),
        cmocka_unit_test(a_place_that_will_not_do_is_passed_over),
        cmocka_unit_test(what_killed_ones_left_is_swept),
        cmocka_unit_test(waiting_ends_for_a_descriptor_and_costs_nothing),
        cmocka_unit_test(a_signal_ends_a_wait),
        cmocka_unit_test(malformed_messages_are_dropped_and_counted),
        cmocka_unit_test(a_full_queue_is_told),
        cmocka_unit_test(an_orphan_does_not_take_its_successors_place),
        cmocka_unit_test(links_outlive_their_hub),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
