/* SPDX-License-Identifier: BSD-3-Clause */
/* What a file is, its first bytes say: models are renamed, linked and passed on under any name. */
#include "potential/dp_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "potential/dp_read.h"
#include "potential/graph.h"

#define HEAD 512

enum kind { HDF5, YAML, GRAPH, GRAPH_TEXT, ZIP, PICKLE, GZIP, OTHER };

static enum kind kind_of(const char *head, size_t n)
{
    size_t at = 0;
    if (n >= 8 && !memcmp(head, "\x89HDF\r\n\x1a\n", 8))
        return HDF5;
    if (n >= 4 && !memcmp(head, "PK\3\4", 4))
        return ZIP;
    if (n >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
        return PICKLE;
    if (n >= 2 && !memcmp(head, "\x1f\x8b", 2))
        return GZIP;
    for (size_t i = 0; i < n; i++) /* control characters: a GraphDef begins with a field of nodes */
        if ((unsigned char)head[i] < ' ' && !strchr("\t\n\r", head[i] ? head[i] : 'x'))
            return head[0] == '\n' ? GRAPH : OTHER;
    while (at < n && strchr(" \t\r\n", head[at]))
        at++;
    if (n - at >= 5 && !memcmp(head + at, "node", 4) && strchr(" {\n", head[at + 4]))
        return GRAPH_TEXT;
    return YAML;
}

static int read_head(char *head, size_t *n, const char *path, struct cox_err *err)
{
    errno = 0;
    FILE *f = fopen(path, "rb");
    *n = f ? fread(head, 1, HEAD, f) : 0;
    bool failed = !f || ferror(f);
    int why = errno;
    if (f)
        fclose(f);
    if (failed)
        return cox_err_set(err, why == ENOENT ? COX_ENOTFOUND : COX_EIO,
                           "cannot read the model '%s': %s", path, strerror(why));
    return *n ? COX_OK : cox_err_set(err, COX_EFORMAT, "the model '%s' is empty", path);
}

static int refuse(const char *path, const char *what, struct cox_err *err)
{
    return cox_err_set(err, COX_EUNSUPPORTED,
                       "'%s' is %s; DeePMD-kit converts it: dp convert-backend %s model.dp", path,
                       what, path);
}

static int refuse_folder(const char *path, struct cox_err *err)
{
    char inner[PATH_MAX];
    if (!cox_path_join(inner, sizeof inner, path, "saved_model.pb", NULL) && cox_file_exists(inner))
        return refuse(path, "a TensorFlow SavedModel", err);
    return cox_err_set(err, COX_EINVAL, "'%s' is a folder; a model is a file", path);
}

static int refuse_torch(const char *path, struct cox_err *err)
{
    if (cox_str_ends(path, ".pt"))
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "'%s' is a checkpoint of PyTorch; DeePMD-kit makes a model of it: "
                           "dp --pt freeze -c %s -o frozen.pth, then "
                           "dp convert-backend frozen.pth model.dp",
                           path, path);
    return refuse(path, "a model of PyTorch", err);
}

static int read_kind(struct cox_dp_model **out, const char *path, enum kind kind,
                     struct cox_err *err)
{
    switch (kind) {
    case HDF5:
    case YAML:
        return cox_dp_read_tree(out, path, kind == HDF5, err);
    case GRAPH:
    case GRAPH_TEXT:
        return cox_dp_read_graph(out, path, kind == GRAPH_TEXT, err);
    case ZIP:
    case PICKLE:
        return refuse_torch(path, err);
    case GZIP:
        return cox_err_set(err, COX_EUNSUPPORTED, "'%s' is packed: gunzip it first", path);
    default:
        return cox_err_set(err, COX_EFORMAT,
                           "'%s' is no model: neither HDF5 (.dp) nor YAML (.yaml) nor a graph of "
                           "TensorFlow (.pb, .pbtxt)",
                           path);
    }
}

int cox_dp_model_read(struct cox_dp_model **out, const char *path, struct cox_err *err)
{
    static const char *const formats[] = {[HDF5] = "HDF5 (.dp)",
                                          [YAML] = "YAML (.yaml)",
                                          [GRAPH] = "TensorFlow graph (.pb)",
                                          [GRAPH_TEXT] = "TensorFlow graph as text (.pbtxt)"};
    char head[HEAD];
    size_t n = 0;
    *out = NULL;
    if (cox_file_is_directory(path))
        return refuse_folder(path, err);
    int rc = read_head(head, &n, path, err);
    if (rc)
        return rc;
    enum kind kind = kind_of(head, n);
    rc = read_kind(out, path, kind, err);
    if (!rc)
        (*out)->file_format = formats[kind];
    return rc;
}
