/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/socket.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <zmq.h>

#include "base/str.h"
#include "stream/guard.h"

#define MONITOR_ENDPOINT "inproc://cox.connections"
#define ZAP_DOMAIN "coxswain"
/* A dead host is noticed within HEARTBEAT_TIMEOUT_MS; after that the client tries again, first at
 * once, then at most every RECONNECT_MAX_MS. */
#define HEARTBEAT_MS 5000
#define HEARTBEAT_TIMEOUT_MS 15000
#define RECONNECT_MS 50
#define RECONNECT_MAX_MS 2000
#define CONNECT_TIMEOUT_MS 5000
#define HANDSHAKE_MS 10000

static int failed(struct cox_err *err, const char *what, const char *endpoint)
{
    int number = zmq_errno();
    return cox_err_set(err, number == ENOENT ? COX_ENOTFOUND : COX_EIO, "cannot %s '%s': %s", what,
                       endpoint, zmq_strerror(number));
}

bool cox_peer_name_ok(const char *name, size_t length)
{
    if (!length || length >= COX_PEER_SIZE)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
            return false;
    return !memchr(name, 0, length);
}

static bool set_int(void *zmq, int option, int value)
{
    return !zmq_setsockopt(zmq, option, &value, sizeof value);
}

static int open_socket(struct cox_socket *s, int type, const char *endpoint,
                       const struct cox_socket_limits *limits, struct cox_err *err)
{
    *s = (struct cox_socket){0};
    s->context = zmq_ctx_new();
    s->zmq = s->context ? zmq_socket(s->context, type) : NULL;
    int64_t most = (int64_t)limits->message_bytes;
    bool ok = s->zmq && set_int(s->zmq, ZMQ_LINGER, limits->linger_ms) &&
              set_int(s->zmq, ZMQ_SNDHWM, limits->send_queue) &&
              set_int(s->zmq, ZMQ_RCVHWM, limits->receive_queue) &&
              set_int(s->zmq, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
              !zmq_setsockopt(s->zmq, ZMQ_MAXMSGSIZE, &most, sizeof most);
    if (ok && !cox_str_starts(endpoint, "ipc"))
        ok = set_int(s->zmq, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
             set_int(s->zmq, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) &&
             set_int(s->zmq, ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS) &&
             set_int(s->zmq, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    ok = ok && set_int(s->zmq, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    if (ok)
        return COX_OK;
    int rc = failed(err, "set up", endpoint);
    cox_socket_close(s);
    return rc;
}

/* tcp only: on one host the folder's mode keeps strangers out, and encryption would cost. */
static int check_keys(const char *endpoint, const struct cox_keys *keys, bool *curve,
                      struct cox_err *err)
{
    *curve = !cox_str_starts(endpoint, "ipc");
    if (*curve && !cox_str_starts(endpoint, "tcp"))
        return cox_err_set(err, COX_EINVAL, "endpoint '%s': neither ipc nor tcp", endpoint);
    if (*curve && !keys)
        return cox_err_set(err, COX_EINVAL, "endpoint '%s': tcp needs the run's keys", endpoint);
    return COX_OK;
}

/* ---- binding ---- */

static int bind_path(struct cox_socket *s, const char *endpoint, struct cox_err *err)
{
    struct sockaddr_un address;
    const char *path = endpoint + strlen("ipc://");
    if (strlen(path) >= sizeof address.sun_path)
        return cox_err_set(err, COX_EINVAL, "'%s': a socket's path has %zu bytes at most", path,
                           sizeof address.sun_path - 1);
    if (strlen(endpoint) >= sizeof s->endpoint || zmq_bind(s->zmq, endpoint))
        return failed(err, "listen on", endpoint);
    if (chmod(path, 0600))
        return cox_err_errno(err, "cannot make '%s' private", path);
    snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
    return COX_OK;
}

static int bind_private(struct cox_socket *s, struct cox_err *err)
{
    struct cox_str tried;
    cox_str_init(&tried, 900);
    const char *place;
    for (int i = 0; (place = cox_folder_place(i)); i++) {
        char endpoint[COX_ENDPOINT_SIZE];
        struct cox_err inner = COX_ERR_INIT;
        cox_folder_sweep(place);
        if (!cox_folder_create(s->folder, place, &inner)) {
            snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", s->folder, COX_SOCKET_NAME);
            if (!bind_path(s, endpoint, &inner)) {
                cox_str_deinit(&tried);
                return COX_OK;
            }
            cox_folder_remove(s->folder);
            s->folder[0] = '\0';
        }
        cox_str_addf(&tried, "%s%s", i ? "; " : "", inner.text);
    }
    int rc = cox_err_set(err, COX_EIO, "no place for a socket: %s", cox_str_text(&tried));
    cox_str_deinit(&tried);
    return rc;
}

static int bind_tcp(struct cox_socket *s, const char *endpoint, struct cox_err *err)
{
    char last[COX_ENDPOINT_SIZE], host[128];
    size_t size = sizeof last;
    if (zmq_bind(s->zmq, strcmp(endpoint, "tcp") ? endpoint : "tcp://*:*") ||
        zmq_getsockopt(s->zmq, ZMQ_LAST_ENDPOINT, last, &size))
        return failed(err, "listen on", endpoint);
    const char *port = strrchr(last, ':');
    if (cox_str_starts(last, "tcp://0.0.0.0:") && port) {
        if (gethostname(host, sizeof host))
            return cox_err_errno(err, "cannot tell this host's name");
        host[sizeof host - 1] = '\0';
        snprintf(s->endpoint, sizeof s->endpoint, "tcp://%s%s", host, port);
    } else {
        snprintf(s->endpoint, sizeof s->endpoint, "%s", last);
    }
    return COX_OK;
}

/* The guard stands before the door opens. */
static int lock_door(struct cox_socket *s, const struct cox_keys *keys, const char *endpoint,
                     struct cox_err *err)
{
    if (!set_int(s->zmq, ZMQ_CURVE_SERVER, 1) ||
        zmq_setsockopt(s->zmq, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) ||
        zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, keys->server_secret,
                       sizeof keys->server_secret))
        return failed(err, "encrypt", endpoint);
    return cox_guard_create(&s->guard, s->context, s->zmq, keys->client_public, err);
}

int cox_socket_bind(struct cox_socket *s, const char *endpoint, const struct cox_keys *keys,
                    const struct cox_socket_limits *limits, struct cox_err *err)
{
    bool curve;
    *s = (struct cox_socket){0};
    int rc = check_keys(endpoint, keys, &curve, err);
    if (!rc)
        rc = open_socket(s, ZMQ_ROUTER, endpoint, limits, err);
    if (rc)
        return rc;
    if (!set_int(s->zmq, ZMQ_ROUTER_HANDOVER, 1) || !set_int(s->zmq, ZMQ_ROUTER_MANDATORY, 1))
        rc = failed(err, "set up", endpoint);
    else if (curve && !(rc = lock_door(s, keys, endpoint, err)))
        rc = bind_tcp(s, endpoint, err);
    else if (!curve && !strcmp(endpoint, "ipc"))
        rc = bind_private(s, err);
    else if (!curve)
        rc = bind_path(s, endpoint, err);
    if (rc)
        cox_socket_close(s);
    return rc;
}

/* ---- connecting ---- */

static int watch(struct cox_socket *s, struct cox_err *err)
{
    if (zmq_socket_monitor(s->zmq, MONITOR_ENDPOINT, ZMQ_EVENT_HANDSHAKE_SUCCEEDED) ||
        !(s->monitor = zmq_socket(s->context, ZMQ_PAIR)) || !set_int(s->monitor, ZMQ_LINGER, 0) ||
        zmq_connect(s->monitor, MONITOR_ENDPOINT))
        return failed(err, "watch", "the socket");
    return COX_OK;
}

int cox_socket_connect(struct cox_socket *s, const char *endpoint, const char *name,
                       const struct cox_keys *keys, const struct cox_socket_limits *limits,
                       struct cox_err *err)
{
    bool curve;
    *s = (struct cox_socket){0};
    if (!cox_peer_name_ok(name, strlen(name)))
        return cox_err_set(err, COX_EINVAL,
                           "'%s': a name has 1 to %d letters, digits, '-', '_' or '.'", name,
                           COX_PEER_SIZE - 1);
    int rc = check_keys(endpoint, keys, &curve, err);
    if (!rc)
        rc = open_socket(s, ZMQ_DEALER, endpoint, limits, err);
    if (rc)
        return rc;
    if (zmq_setsockopt(s->zmq, ZMQ_ROUTING_ID, name, strlen(name)) ||
        !set_int(s->zmq, ZMQ_IMMEDIATE, limits->only_connected) ||
        (curve && (zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVERKEY, keys->server_public,
                                  sizeof keys->server_public) ||
                   zmq_setsockopt(s->zmq, ZMQ_CURVE_PUBLICKEY, keys->client_public,
                                  sizeof keys->client_public) ||
                   zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, keys->client_secret,
                                  sizeof keys->client_secret))))
        rc = failed(err, "set up", endpoint);
    else if (!limits->watch || !(rc = watch(s, err)))
        rc = cox_socket_move(s, endpoint, err);
    if (rc)
        cox_socket_close(s);
    return rc;
}

int cox_socket_move(struct cox_socket *s, const char *endpoint, struct cox_err *err)
{
    if (strlen(endpoint) >= sizeof s->endpoint)
        return cox_err_set(err, COX_EINVAL, "endpoint '%s': too long", endpoint);
    if (s->endpoint[0])
        (void)zmq_disconnect(s->zmq, s->endpoint);
    s->endpoint[0] = '\0';
    if (zmq_connect(s->zmq, endpoint))
        return failed(err, "connect to", endpoint);
    snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
    return COX_OK;
}

int cox_socket_connections(struct cox_socket *s)
{
    int n = 0;
    char part[COX_ENDPOINT_SIZE]; /* event, address; only the number of pairs counts */
    while (s->monitor && zmq_recv(s->monitor, part, sizeof part, ZMQ_DONTWAIT) >= 0) {
        int more = 0;
        size_t size = sizeof more;
        if (!zmq_getsockopt(s->monitor, ZMQ_RCVMORE, &more, &size) && !more)
            n++;
    }
    return n;
}

void cox_socket_close(struct cox_socket *s)
{
    if (s->monitor) {
        zmq_socket_monitor(s->zmq, NULL, 0);
        zmq_close(s->monitor);
    }
    cox_guard_destroy(s->guard);
    if (s->zmq)
        zmq_close(s->zmq);
    while (s->context && zmq_ctx_term(s->context) && zmq_errno() == EINTR) {
    }
    if (s->folder[0])
        cox_folder_remove(s->folder);
    *s = (struct cox_socket){0};
}

/* ---- waiting ---- */

int cox_socket_wait(struct cox_socket *s, bool write, double timeout_s, const int *fds, int n_fds,
                    bool *over, struct cox_err *err)
{
    if (n_fds < 0 || n_fds > COX_WAIT_MAX_FDS)
        return cox_err_set(err, COX_EINVAL, "%d descriptors to wait for (at most %d)", n_fds,
                           COX_WAIT_MAX_FDS);
    zmq_pollitem_t items[2 + COX_WAIT_MAX_FDS];
    int n = 0;
    items[n++] = (zmq_pollitem_t){.socket = s->zmq,
                                  .events = (short)(ZMQ_POLLIN | (write ? ZMQ_POLLOUT : 0))};
    if (s->monitor)
        items[n++] = (zmq_pollitem_t){.socket = s->monitor, .events = ZMQ_POLLIN};
    for (int i = 0; i < n_fds; i++)
        items[n++] = (zmq_pollitem_t){.fd = fds[i], .events = ZMQ_POLLIN};
    /* rounded up: a wait that ends too early would have to be begun again at once */
    long ms = timeout_s < 0 ? -1 : timeout_s > 1e6 ? 1000000000L : (long)ceil(1000 * timeout_s);
    int ready = zmq_poll(items, n, ms);
    if (ready < 0 && zmq_errno() != EINTR)
        return cox_err_set(err, COX_EIO, "cannot wait for '%s': %s", s->endpoint,
                           zmq_strerror(zmq_errno()));
    *over = ready <= 0;
    for (int i = 0; i < n_fds && ready > 0; i++)
        *over |= items[n - n_fds + i].revents != 0;
    return COX_OK;
}
