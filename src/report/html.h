/* SPDX-License-Identifier: BSD-3-Clause */
/* A self-contained HTML page: no script, no other file, light and dark. All texts are escaped;
 * errors stick to `out` as in base/str.h. Charts (report/chart.h) are written to the same `out`
 * between cox_html_figure_begin and cox_html_figure_end. */
#ifndef COX_REPORT_HTML_H
#define COX_REPORT_HTML_H

#include "base/str.h"

/* Head, style, heading; `subtitle` may be NULL. */
void cox_html_begin(struct cox_str *out, const char *title, const char *subtitle);
/* The last line (`foot`, nullable) and the end of the page. */
void cox_html_end(struct cox_str *out, const char *foot);

/* The figures at the top: a large value over a small label. */
struct cox_html_key {
    const char *value, *label;
    const char *note; /* small print below, or NULL */
};
void cox_html_keys(struct cox_str *out, const struct cox_html_key *keys, int n);

/* A section is closed by the next one or by the end of the page. */
void cox_html_section(struct cox_str *out, const char *title);
void cox_html_paragraph(struct cox_str *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Preformatted text, folded behind `summary` when that is not NULL. */
void cox_html_preformatted(struct cox_str *out, const char *summary, const char *text);
/* Charts side by side where the page is wide enough: a row of figures. */
void cox_html_row_begin(struct cox_str *out);
void cox_html_row_end(struct cox_str *out);
void cox_html_figure_begin(struct cox_str *out);
void cox_html_figure_end(struct cox_str *out, const char *caption_fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A table: begin with the column heads (a head starting with '>' is a column of figures, set flush
 * right), then cells row by row, left to right. */
void cox_html_table_begin(struct cox_str *out, const char *const *heads, int n);
void cox_html_table_row(struct cox_str *out, const char *const *heads, const char *const *cells,
                        int n);
void cox_html_table_end(struct cox_str *out);

/* Escapes & < > " ' into `out`; bytes that are not UTF-8 and control characters become U+FFFD. */
void cox_html_escape(struct cox_str *out, const char *text);

/* A whole SVG file from one chart's text: XML head and a white background. */
void cox_svg_file(struct cox_str *out, const char *svg);

#endif
