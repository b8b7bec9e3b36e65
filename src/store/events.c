/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/events.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define LINE_MAX_BYTES (1 << 20)

struct cox_events {
    char *path;
};

/* Whether the file is there and its last byte is no line feed. */
static bool is_cut_short(const char *path)
{
    bool cut = false;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    if (!fseek(file, -1, SEEK_END))
        cut = fgetc(file) != '\n';
    fclose(file);
    return cut;
}

int cox_events_open(struct cox_events **out, const char *path, struct cox_err *err)
{
    struct cox_events *events = cox_alloc(1, sizeof *events);
    *out = NULL;
    if (events)
        events->path = cox_strdup(path);
    if (!events || !events->path) {
        cox_events_close(events);
        return cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    }
    bool cut = is_cut_short(path);
    int rc = cox_file_append(path, "\n", cut ? 1 : 0, err);
    if (rc) {
        cox_events_close(events);
        return rc;
    }
    *out = events;
    return COX_OK;
}

void cox_events_close(struct cox_events *events)
{
    if (!events)
        return;
    cox_free(events->path);
    cox_free(events);
}

/* "{…}\n" and "{…}\n" become one object. */
static void merge(struct cox_str *line, const char *head, const char *members)
{
    cox_str_addn(line, head, strlen(head) - 2);
    if (members && members[1] != '}') {
        cox_str_add(line, ", ");
        cox_str_add(line, members + 1);
    } else {
        cox_str_add(line, "}\n");
    }
}

int cox_events_write(struct cox_events *events, const char *kind, struct cox_json *members,
                     struct cox_err *err)
{
    char now[40];
    struct cox_str line;
    if (!events) {
        cox_json_destroy(members);
        return COX_OK;
    }
    cox_clock_utc(now, sizeof now);
    struct cox_json *head = cox_json_object();
    cox_json_set_text(head, "time", now);
    cox_json_set_text(head, "event", kind);
    char *first = head ? cox_json_text(head, false) : NULL;
    char *rest = members ? cox_json_text(members, false) : NULL;
    int rc = COX_OK;
    cox_str_init(&line, LINE_MAX_BYTES);
    if (!first || (members && !rest)) {
        rc = cox_err_set(err, COX_ENOMEM, "out of memory writing an event");
    } else {
        merge(&line, first, rest);
        rc = cox_str_status(&line, err);
    }
    if (!rc)
        rc = cox_file_append(events->path, line.text, line.length, err);
    cox_str_deinit(&line);
    cox_free(first);
    cox_free(rest);
    cox_json_destroy(head);
    cox_json_destroy(members);
    return rc ? cox_err_wrap(err, rc, "recording event '%s'", kind) : COX_OK;
}
