/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON (jansson): exact doubles, ordered keys. Setters remember the first failure, so that a long
 * list of them is checked once, when the value is written. */
#ifndef COX_BASE_JSON_H
#define COX_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "cox/err.h"

struct cox_json; /* an object or an array, owned by its parent once added */

/* NULL when out of memory; every setter accepts NULL and then does nothing. */
struct cox_json *cox_json_object(void);
struct cox_json *cox_json_array(void);
void cox_json_destroy(struct cox_json *json);

/* Into an object; NaN and infinities become null. */
void cox_json_set_number(struct cox_json *object, const char *key, double value);
void cox_json_set_int(struct cox_json *object, const char *key, long long value);
void cox_json_set_bool(struct cox_json *object, const char *key, bool value);
void cox_json_set_text(struct cox_json *object, const char *key, const char *value);
/* Takes ownership of `child`. */
void cox_json_set(struct cox_json *object, const char *key, struct cox_json *child);
void cox_json_push_number(struct cox_json *array, double value);
void cox_json_push_int(struct cox_json *array, long long value);
void cox_json_push_bool(struct cox_json *array, bool value);
/* NULL: null */
void cox_json_push_text(struct cox_json *array, const char *value);
void cox_json_push(struct cox_json *array, struct cox_json *child);

/* Text with a trailing newline, indented by two or on one line; free with cox_free. NULL when out
 * of memory or when an earlier setter failed. */
char *cox_json_text(const struct cox_json *json, bool indent);
/* Replaces the file atomically. */
int cox_json_write(const struct cox_json *json, const char *path,
                   struct cox_err *err) COX_MUST_CHECK;

/* Reading. Errors name the file, line and column. */
int cox_json_read(struct cox_json **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
int cox_json_parse(struct cox_json **out, const char *text, struct cox_err *err) COX_MUST_CHECK;
/* `missing` when the key is absent or no number. */
double cox_json_get_number(const struct cox_json *object, const char *key, double missing);
/* Borrowed; NULL when absent or no text. */
const char *cox_json_get_text(const struct cox_json *object, const char *key);
/* Entries of the array `key`; 0 when it is absent or no array. */
int cox_json_count(const struct cox_json *object, const char *key);
/* Its i-th entry for reading; the caller destroys it. NULL: no such entry, or out of memory. */
struct cox_json *cox_json_item(const struct cox_json *object, const char *key, int i);

/* The number, or the list of numbers, at a path like "results.density[2]" or "a.b[0].c" ([i] of a
 * list, from 0; a name with dots in it is found, too). *list NULL-able: whether it is a list. Owned
 * by the caller, free with cox_free. COX_EFORMAT saying how far the path leads and what is there.
 */
int cox_json_numbers(const struct cox_json *json, const char *path, double **out, int *n,
                     bool *list, struct cox_err *err) COX_MUST_CHECK;

#endif
