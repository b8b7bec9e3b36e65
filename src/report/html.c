/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/html.h"

#include <stdio.h>

#include "base/mem.h"

static const char style[] =
    ":root{color-scheme:light dark;--page:#fdfdfc;--text:#1d2329;--soft:#5d6670;--line:#d9dde1;"
    "--tile:#f3f4f5}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#15181b;--text:#e4e7ea;--soft:#9aa3ac;"
    "--line:#343a40;--tile:#1f2428}}\n"
    "body{margin:0 auto;padding:28px 24px 60px;max-width:1360px;background:var(--page);"
    "color:var(--text);font:15px/1.5 system-ui,'DejaVu Sans',Arial,sans-serif}\n"
    "h1{font-size:26px;margin:0}h2{font-size:19px;margin:38px 0 8px;padding-top:14px;"
    "border-top:1px solid var(--line)}\n"
    "p{max-width:75em;margin:6px 0 10px}.sub{color:var(--soft);margin:2px 0 18px}\n"
    ".keys{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0}"
    ".key{background:var(--tile);border-radius:8px;padding:9px 13px;min-width:96px}"
    ".key b{display:block;font-size:20px;font-weight:600}"
    ".key span{color:var(--soft);font-size:13px}.key i{display:block;font-style:normal;"
    "color:var(--soft);font-size:12px}\n"
    ".row{display:flex;flex-wrap:wrap;gap:8px 24px}"
    "figure{margin:12px 0;max-width:100%}figure svg{max-width:100%;height:auto;display:block}"
    "figcaption{color:var(--soft);font-size:13px;max-width:44em;padding-left:8px}\n"
    ".row figure{flex:0 1 640px}"
    "table{border-collapse:collapse;margin:10px 0;font-size:14px;display:block;overflow-x:auto}"
    "th,td{padding:4px 14px 4px 0;text-align:left;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{color:var(--soft);font-weight:500}"
    ".r{text-align:right;font-variant-numeric:tabular-nums}td.r{white-space:nowrap}\n"
    "pre{background:var(--tile);border-radius:8px;padding:12px 16px;overflow-x:auto;"
    "font:13px/1.45 ui-monospace,'DejaVu Sans Mono',monospace}"
    "summary{cursor:pointer;color:var(--soft)}footer{margin-top:40px;color:var(--soft);"
    "font-size:13px}\n"
    "@media print{body{max-width:none}figure{break-inside:avoid}}\n";

/* Length of the UTF-8 letter at `s`, 0 if it is none (RFC 3629). */
static int letter_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 || s[0] == '\n' || s[0] == '\t' ? 1 : 0;
    const int n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
                  : (s[0] & 0xf0) == 0xe0        ? 3
                  : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void cox_html_escape(struct cox_str *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)(text ? text : "");
    while (*s) {
        const int n = letter_length(s);
        switch (*s) {
        case '&':
            cox_str_add(out, "&amp;");
            break;
        case '<':
            cox_str_add(out, "&lt;");
            break;
        case '>':
            cox_str_add(out, "&gt;");
            break;
        case '"':
            cox_str_add(out, "&quot;");
            break;
        case '\'':
            cox_str_add(out, "&#39;");
            break;
        default:
            if (n)
                cox_str_addn(out, (const char *)s, (size_t)n);
            else
                cox_str_add(out, "\xef\xbf\xbd");
        }
        s += n ? n : 1;
    }
}

void cox_html_begin(struct cox_str *out, const char *title, const char *subtitle)
{
    cox_str_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                     "<title>");
    cox_html_escape(out, title);
    cox_str_add(out, "</title>\n<style>\n");
    cox_str_add(out, style);
    cox_str_add(out, "</style>\n</head>\n<body>\n<h1>");
    cox_html_escape(out, title);
    cox_str_add(out, "</h1>\n");
    if (subtitle) {
        cox_str_add(out, "<p class=\"sub\">");
        cox_html_escape(out, subtitle);
        cox_str_add(out, "</p>\n");
    }
}

void cox_html_end(struct cox_str *out, const char *foot)
{
    if (foot) {
        cox_str_add(out, "<footer>");
        cox_html_escape(out, foot);
        cox_str_add(out, "</footer>\n");
    }
    cox_str_add(out, "</body>\n</html>\n");
}

void cox_html_keys(struct cox_str *out, const struct cox_html_key *keys, int n)
{
    cox_str_add(out, "<div class=\"keys\">\n");
    for (int i = 0; i < n; i++) {
        cox_str_add(out, "<div class=\"key\"><b>");
        cox_html_escape(out, keys[i].value);
        cox_str_add(out, "</b><span>");
        cox_html_escape(out, keys[i].label);
        cox_str_add(out, "</span>");
        if (keys[i].note) {
            cox_str_add(out, "<i>");
            cox_html_escape(out, keys[i].note);
            cox_str_add(out, "</i>");
        }
        cox_str_add(out, "</div>\n");
    }
    cox_str_add(out, "</div>\n");
}

void cox_html_section(struct cox_str *out, const char *title)
{
    cox_str_add(out, "<h2>");
    cox_html_escape(out, title);
    cox_str_add(out, "</h2>\n");
}

/* Formats and escapes. */
static void add_text(struct cox_str *out, const char *fmt, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, args);
    cox_html_escape(out, text);
}

void cox_html_paragraph(struct cox_str *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    cox_str_add(out, "<p>");
    add_text(out, fmt, args);
    cox_str_add(out, "</p>\n");
    va_end(args);
}

void cox_html_preformatted(struct cox_str *out, const char *summary, const char *text)
{
    if (summary) {
        cox_str_add(out, "<details><summary>");
        cox_html_escape(out, summary);
        cox_str_add(out, "</summary>\n");
    }
    cox_str_add(out, "<pre>");
    cox_html_escape(out, text);
    cox_str_add(out, summary ? "</pre></details>\n" : "</pre>\n");
}

void cox_html_row_begin(struct cox_str *out)
{
    cox_str_add(out, "<div class=\"row\">\n");
}

void cox_html_row_end(struct cox_str *out)
{
    cox_str_add(out, "</div>\n");
}

void cox_html_figure_begin(struct cox_str *out)
{
    cox_str_add(out, "<figure>\n");
}

void cox_html_figure_end(struct cox_str *out, const char *caption_fmt, ...)
{
    va_list args;
    va_start(args, caption_fmt);
    cox_str_add(out, "<figcaption>");
    add_text(out, caption_fmt, args);
    cox_str_add(out, "</figcaption>\n</figure>\n");
    va_end(args);
}

static void add_cell(struct cox_str *out, const char *tag, bool right, const char *text)
{
    cox_str_addf(out, "<%s%s>", tag, right ? " class=\"r\"" : "");
    cox_html_escape(out, text);
    cox_str_addf(out, "</%s>", tag);
}

void cox_html_table_begin(struct cox_str *out, const char *const *heads, int n)
{
    cox_str_add(out, "<table>\n<tr>");
    for (int i = 0; i < n; i++)
        add_cell(out, "th", heads[i][0] == '>', heads[i][0] == '>' ? heads[i] + 1 : heads[i]);
    cox_str_add(out, "</tr>\n");
}

void cox_html_table_row(struct cox_str *out, const char *const *heads, const char *const *cells,
                        int n)
{
    cox_str_add(out, "<tr>");
    for (int i = 0; i < n; i++)
        add_cell(out, "td", heads && heads[i][0] == '>', cells[i]);
    cox_str_add(out, "</tr>\n");
}

void cox_html_table_end(struct cox_str *out)
{
    cox_str_add(out, "</table>\n");
}

void cox_svg_file(struct cox_str *out, const char *svg)
{
    cox_str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    const char *inside = svg;
    while (*inside && *inside != '>')
        inside++;
    if (*inside)
        inside++;
    cox_str_addn(out, svg, (size_t)(inside - svg));
    cox_str_add(out, "\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
    cox_str_add(out, inside);
}
