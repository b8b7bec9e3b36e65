/* SPDX-License-Identifier: BSD-3-Clause */
/* GROMACS' XTC: big-endian (XDR) header, then coordinates rounded to 1/precision and packed.
 * The packing ("xdr3dfcoord", Green & Spoel 1995) as the format has it:
 *   - integers relative to their minimum; the first atom of a group takes `bits` bits, as one
 * number in the mixed radix of the three ranges;
 *   - up to eight following atoms that lie near their predecessor are stored as small differences,
 *     in a cube of edge magic[small], magic[i] ≈ 2^(i/3), so that three take i bits;
 *   - small moves by −1, 0 or +1 after each group; a flag bit tells whether run length or small
 *     changed; the first two atoms of a group change places (good for water: O between its H). */
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "molecule/trajfile_internal.h"

#define XTC_MAGIC 1995
#define PRECISION 1000.0F
#define FIRST_SMALL 9
#define MAX_RUN 8   /* atoms */
#define RAW_ATOMS 9 /* so few are stored as floats */

static const int magic[] = {
    0,        0,        0,       0,       0,       0,       0,       0,       0,       8,
    10,       12,       16,      20,      25,      32,      40,      50,      64,      80,
    101,      128,      161,     203,     256,     322,     406,     512,     645,     812,
    1024,     1290,     1625,    2048,    2580,    3250,    4096,    5060,    6501,    8192,
    10321,    13003,    16384,   20642,   26007,   32768,   41285,   52015,   65536,   82570,
    104031,   131072,   165140,  208063,  262144,  330280,  416127,  524287,  660561,  832255,
    1048576,  1321122,  1664510, 2097152, 2642245, 3329021, 4194304, 5284491, 6658042, 8388607,
    10568983, 13316085, 16777216};
#define LAST_SMALL ((int)(sizeof magic / sizeof magic[0]) - 1)

/* Bits go in from the most significant one. */
struct bits {
    uint8_t *bytes;
    size_t used;
    unsigned pending, n_pending;
};

struct xtc {
    struct bits out;
    int (*lattice)[3]; /* [n] rounded coordinates */
};

static void put_bits(struct bits *b, unsigned n, uint32_t value)
{
    while (n > 0) {
        unsigned take = 8 - b->n_pending < n ? 8 - b->n_pending : n;
        unsigned part = (value >> (n - take)) & ((1U << take) - 1);
        b->pending = b->pending << take | part;
        b->n_pending += take;
        n -= take;
        if (b->n_pending == 8) {
            b->bytes[b->used++] = (uint8_t)b->pending;
            b->pending = b->n_pending = 0;
        }
    }
}

static void end_bits(struct bits *b)
{
    if (b->n_pending)
        put_bits(b, 8 - b->n_pending, 0);
}

/* Three numbers as one in mixed radix, its bytes from the least significant one. */
static void put_triple(struct bits *b, int bits, const uint32_t size[3], const uint32_t value[3])
{
    unsigned __int128 number = value[0];
    number = number * size[1] + value[1];
    number = number * size[2] + value[2];
    for (; bits >= 8; bits -= 8) {
        put_bits(b, 8, (uint32_t)(number & 0xff));
        number >>= 8;
    }
    if (bits > 0)
        put_bits(b, (unsigned)bits, (uint32_t)(number & 0xff));
}

static int bit_length(unsigned __int128 value)
{
    int n = 0;
    for (; value; value >>= 1)
        n++;
    return n;
}

/* ---- XDR ---- */

static int put_u32(struct cox_trajfile *file, uint32_t value, struct cox_err *err)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    return cox_trajfile_put(file, bytes, sizeof bytes, err);
}

static int put_f32(struct cox_trajfile *file, float value, struct cox_err *err)
{
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    return put_u32(file, word, err);
}

/* ---- packing ---- */

struct packing {
    int n;
    const int (*x)[3];
    int low[3], high[3];
    uint32_t size[3];
    int bits[3]; /* per axis, where a range is too large for one number */
    int all;     /* bits of the three as one number; 0: axis by axis */
    int small;   /* index into magic */
};

static int distance1(const int a[3], const int b[3])
{
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2]);
}

static bool within(const int a[3], const int b[3], int limit)
{
    return abs(a[0] - b[0]) < limit && abs(a[1] - b[1]) < limit && abs(a[2] - b[2]) < limit;
}

static void survey(struct packing *p)
{
    int nearest = INT_MAX;
    for (int k = 0; k < 3; k++) {
        p->low[k] = INT_MAX;
        p->high[k] = INT_MIN;
    }
    for (int i = 0; i < p->n; i++) {
        for (int k = 0; k < 3; k++) {
            p->low[k] = p->x[i][k] < p->low[k] ? p->x[i][k] : p->low[k];
            p->high[k] = p->x[i][k] > p->high[k] ? p->x[i][k] : p->high[k];
        }
        int d = i ? distance1(p->x[i], p->x[i - 1]) : INT_MAX;
        nearest = d < nearest ? d : nearest;
    }
    bool large = false;
    for (int k = 0; k < 3; k++) {
        p->size[k] = (uint32_t)(p->high[k] - p->low[k]) + 1;
        p->bits[k] = bit_length(p->size[k]);
        large = large || p->size[k] > 0xffffff;
    }
    p->all = large ? 0 : bit_length((unsigned __int128)p->size[0] * p->size[1] * p->size[2]);
    p->small = FIRST_SMALL;
    while (p->small < LAST_SMALL && magic[p->small] < nearest)
        p->small++;
}

static void put_first(struct bits *b, const struct packing *p, const int x[3])
{
    uint32_t value[3];
    for (int k = 0; k < 3; k++)
        value[k] = (uint32_t)(x[k] - p->low[k]);
    if (p->all)
        put_triple(b, p->all, p->size, value);
    else
        for (int k = 0; k < 3; k++)
            put_bits(b, (unsigned)p->bits[k], value[k]);
}

/* One group from atom i on; returns the next atom. */
struct state {
    int small, least, most;
    int smaller, half,
        larger; /* half edges: of the cube below, of the present one, of the largest */
    int previous_run;
    int last[3]; /* the atom stored last */
};

static void change_small(struct state *s, int change)
{
    s->small += change;
    if (change < 0) {
        s->half = s->smaller;
        s->smaller = magic[s->small - 1] / 2;
    } else if (change > 0) {
        s->smaller = s->half;
        s->half = magic[s->small] / 2;
    }
}

/* Differences of the atoms from i on, while they are small; sets *change. Returns how many. */
static int collect_run(const struct packing *p, struct state *s, int (*x)[3], int i,
                       uint32_t (*run)[3], int *change)
{
    int n = 0;
    while (n < MAX_RUN && i < p->n && within(x[i], s->last, s->half)) {
        int64_t square = 0;
        for (int k = 0; k < 3; k++) {
            int64_t d = x[i][k] - s->last[k];
            square += d * d;
            run[n][k] = (uint32_t)(d + s->half);
        }
        if (*change < 0 && square >= (int64_t)s->smaller * s->smaller)
            *change = 0;
        memcpy(s->last, x[i], sizeof s->last);
        n++;
        i++;
    }
    return n;
}

static int pack_group(struct bits *b, const struct packing *p, struct state *s, int (*x)[3], int i)
{
    uint32_t run[MAX_RUN][3];
    int change = s->small > s->least ? -1 : 0;
    if (s->small < s->most && i > 0 && within(x[i], s->last, s->larger))
        change = 1;
    bool near = i + 1 < p->n && within(x[i], x[i + 1], s->half);
    if (near) {
        int keep[3];
        memcpy(keep, x[i], sizeof keep);
        memcpy(x[i], x[i + 1], sizeof keep);
        memcpy(x[i + 1], keep, sizeof keep);
    } else if (change < 0) {
        change = 0;
    }
    put_first(b, p, x[i]);
    memcpy(s->last, x[i], sizeof s->last);
    i++;
    int n = near ? collect_run(p, s, x, i, run, &change) : 0;
    bool told = 3 * n != s->previous_run || change;
    put_bits(b, 1, told);
    if (told) {
        s->previous_run = 3 * n;
        put_bits(b, 5, (uint32_t)(3 * n + change + 1));
    }
    const uint32_t edge = (uint32_t)magic[s->small];
    const uint32_t cube[3] = {edge, edge, edge};
    for (int k = 0; k < n; k++)
        put_triple(b, s->small, cube, run[k]);
    change_small(s, change);
    return i + n;
}

static void pack(struct bits *b, const struct packing *p, int (*x)[3])
{
    struct state s = {.small = p->small, .previous_run = -1};
    s.most = p->small + 8 < LAST_SMALL ? p->small + 8 : LAST_SMALL;
    s.least = s.most - 8;
    s.smaller = magic[p->small > FIRST_SMALL ? p->small - 1 : FIRST_SMALL] / 2;
    s.half = magic[p->small] / 2;
    s.larger = magic[s.most] / 2;
    for (int i = 0; i < p->n;)
        i = pack_group(b, p, &s, x, i);
    end_bits(b);
}

static int put_packed(struct cox_trajfile *file, struct cox_err *err)
{
    struct xtc *xtc = file->state;
    struct packing p = {.n = file->n, .x = (const int(*)[3])xtc->lattice};
    for (int i = 0; i < file->n; i++)
        for (int k = 0; k < 3; k++)
            xtc->lattice[i][k] = (int)lrintf(file->x[i][k] * PRECISION);
    survey(&p);
    xtc->out = (struct bits){.bytes = xtc->out.bytes};
    pack(&xtc->out, &p, xtc->lattice);
    int rc = put_f32(file, PRECISION, err);
    for (int k = 0; !rc && k < 3; k++)
        rc = put_u32(file, (uint32_t)p.low[k], err);
    for (int k = 0; !rc && k < 3; k++)
        rc = put_u32(file, (uint32_t)p.high[k], err);
    if (!rc)
        rc = put_u32(file, (uint32_t)p.small, err);
    if (!rc)
        rc = put_u32(file, (uint32_t)xtc->out.used, err);
    while (xtc->out.used % 4)
        xtc->out.bytes[xtc->out.used++] = 0;
    return rc ? rc : cox_trajfile_put(file, xtc->out.bytes, xtc->out.used, err);
}

static int begin(struct cox_trajfile *file, struct cox_err *err)
{
    /* an atom takes at most 3 × 32 bits and the flags; lattice and bytes are one block */
    size_t n = (size_t)file->n;
    size_t head = sizeof(struct xtc);
    size_t lattice = n * sizeof(int[3]);
    char *block = cox_alloc(1, head + lattice + 16 * n + 64);
    if (!block)
        return cox_err_set(err, COX_ENOMEM, "out of memory writing '%s'", file->path);
    struct xtc *xtc = (struct xtc *)(void *)block;
    xtc->lattice = (int(*)[3])(void *)(block + head);
    xtc->out.bytes = (uint8_t *)block + head + lattice;
    file->state = block;
    return COX_OK;
}

static int frame(struct cox_trajfile *file, int64_t step, double time_ps, struct cox_err *err)
{
    /* the format's step has 32 bits */
    int64_t shown = step > INT32_MAX ? INT32_MAX : step < INT32_MIN ? INT32_MIN : step;
    int rc = put_u32(file, XTC_MAGIC, err);
    if (!rc)
        rc = put_u32(file, (uint32_t)file->n, err);
    if (!rc)
        rc = put_u32(file, (uint32_t)shown, err);
    if (!rc)
        rc = put_f32(file, (float)time_ps, err);
    for (int k = 0; !rc && k < 9; k++)
        rc = put_f32(file, 0, err);
    if (!rc)
        rc = put_u32(file, (uint32_t)file->n, err);
    if (rc || file->n > RAW_ATOMS)
        return rc ? rc : put_packed(file, err);
    for (int i = 0; !rc && i < file->n; i++)
        for (int k = 0; !rc && k < 3; k++)
            rc = put_f32(file, file->x[i][k], err);
    return rc;
}

static int end(struct cox_trajfile *file, struct cox_err *err)
{
    (void)file;
    (void)err;
    return COX_OK;
}

/* sums of three differences of rounded coordinates must fit an int */
const struct cox_trajfile_ops cox_trajfile_xtc = {".xtc", 1e5, begin, frame, end};
