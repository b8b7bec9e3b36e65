/* SPDX-License-Identifier: BSD-3-Clause */
/* events.jsonl: what happened, one JSON object per line, appended with one write each, so that a
 * killed program leaves whole lines. For people, `tail -f` and other programs; nothing reads it
 * back. Use from one thread at a time. */
#ifndef COX_STORE_EVENTS_H
#define COX_STORE_EVENTS_H

#include "base/json.h"
#include "cox/err.h"

struct cox_events;

/* Appends to `path`; a last line that a crash cut short is ended first. */
int cox_events_open(struct cox_events **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
void cox_events_close(struct cox_events *events);
/* Writes {"time": "2026-…Z", "event": kind, …members}. Takes ownership of `members`, an object or
 * NULL, also on failure. A NULL `events` writes nothing and succeeds. */
int cox_events_write(struct cox_events *events, const char *kind, struct cox_json *members,
                     struct cox_err *err) COX_MUST_CHECK;

#endif
