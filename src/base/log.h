/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines go to one sink that the program sets; the library itself never prints. */
#ifndef COX_BASE_LOG_H
#define COX_BASE_LOG_H

enum cox_log_level { COX_LOG_DEBUG, COX_LOG_INFO, COX_LOG_WARN };

typedef void cox_log_sink(void *user, enum cox_log_level level, const char *line);

/* `sink` NULL (the default) drops every line. Call before threads start. */
void cox_log_set_sink(cox_log_sink *sink, void *user);
void cox_log(enum cox_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
