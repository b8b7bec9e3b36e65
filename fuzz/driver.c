/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a harness without libFuzzer: every file of the corpus, then random changes of them, from a
 * fixed seed, for a number of seconds at most.
 *
 *     fuzz_pdb [--seed N] [--runs N] [--seconds S] [--replay] FILE-OR-FOLDER…
 *
 * The input at hand is kept in fuzz-last-<pid>.bin while it runs: after a crash it is the culprit;
 * `--replay` runs files unchanged. Exit code 77 when there is no input at all. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "fuzz.h"

#define MAX_INPUTS 256
#define MAX_BYTES ((size_t)4 << 20)

struct input {
    char *bytes;
    size_t length;
};

struct fuzzer {
    struct input inputs[MAX_INPUTS];
    int n;
    struct cox_rng rng;
    char *work; /* MAX_BYTES */
    size_t length;
    char last[64];
};

static void add_file(struct fuzzer *f, const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct input *input = &f->inputs[f->n];
    if (f->n < MAX_INPUTS && !cox_file_read(&input->bytes, &input->length, path, MAX_BYTES, &err))
        f->n++;
    else
        fprintf(stderr, "fuzz: left out %s: %s\n", path, err.text);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_path(struct fuzzer *f, const char *path)
{
    if (!cox_file_is_directory(path)) {
        if (cox_file_exists(path))
            add_file(f, path);
        return;
    }
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char inner[4096];
        if (entries[i]->d_name[0] != '.' &&
            !cox_path_join(inner, sizeof inner, path, entries[i]->d_name, NULL))
            add_path(f, inner);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* ---- changes ---- */

static size_t below(struct fuzzer *f, size_t n)
{
    return n ? cox_rng_below(&f->rng, (uint32_t)n) : 0;
}

static void insert(struct fuzzer *f, size_t at, const char *bytes, size_t n)
{
    if (f->length + n > MAX_BYTES)
        return;
    memmove(f->work + at + n, f->work + at, f->length - at);
    memcpy(f->work + at, bytes, n);
    f->length += n;
}

static void erase(struct fuzzer *f, size_t at, size_t n)
{
    if (n > f->length - at)
        n = f->length - at;
    memmove(f->work + at, f->work + at + n, f->length - at - n);
    f->length -= n;
}

/* Numbers and words that parsers stumble over. */
static void insert_word(struct fuzzer *f, size_t at)
{
    static const char *const words[] = {"-1",
                                        "0",
                                        "99999999999999999999",
                                        "2147483647",
                                        "-2147483648",
                                        "1e999",
                                        "-1e-999",
                                        "nan",
                                        "inf",
                                        ".",
                                        "-",
                                        " ",
                                        "\n",
                                        "\n\n",
                                        "\r\n",
                                        "\t",
                                        "%",
                                        "\"",
                                        "'",
                                        "(",
                                        ")",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        ":",
                                        ",",
                                        "*",
                                        "&",
                                        "!",
                                        "|",
                                        ">",
                                        "#",
                                        "\\u0000",
                                        "\xff\xff\xff\xff",
                                        "\x80",
                                        "and",
                                        "not",
                                        "END\n",
                                        "TER\n",
                                        "MODEL        2\n",
                                        "1000000000"};
    const char *word = words[below(f, sizeof words / sizeof words[0])];
    size_t n = strlen(word);
    if (below(f, 2))
        erase(f, at, n);
    insert(f, at, word, n);
}

static void copy_piece(struct fuzzer *f, size_t at, const struct input *from)
{
    size_t begin = below(f, from->length);
    size_t n = 1 + below(f, 200);
    if (n > from->length - begin)
        n = from->length - begin;
    if (below(f, 2))
        erase(f, at, n);
    insert(f, at, from->bytes + begin, n);
}

static void change(struct fuzzer *f)
{
    size_t at = below(f, f->length);
    char byte = (char)below(f, 256);
    if (!f->length)
        insert(f, 0, "x", 1);
    switch (below(f, 8)) {
    case 0:
        f->work[at] = (char)(f->work[at] ^ 1 << below(f, 8));
        break;
    case 1:
        f->work[at] = byte;
        break;
    case 2:
        insert(f, at, &byte, 1);
        break;
    case 3:
        erase(f, at, 1 + below(f, 80));
        break;
    case 4:
        copy_piece(f, at, &f->inputs[below(f, (size_t)f->n)]);
        break;
    case 5:
        if (!below(f, 4))
            f->length = at;
        break;
    default:
        insert_word(f, at);
    }
}

static void run_one(struct fuzzer *f)
{
    /* an exact copy, so that reading one byte too far is seen */
    char *exact = malloc(f->length ? f->length : 1);
    FILE *last = fopen(f->last, "wb"); /* survives a crash of the process without being synced */
    if (!exact || !last || fwrite(f->work, 1, f->length, last) != f->length || fclose(last)) {
        fprintf(stderr, "fuzz: cannot prepare an input\n");
        exit(1);
    }
    memcpy(exact, f->work, f->length);
    uint64_t before = cox_mem_in_use();
    LLVMFuzzerTestOneInput((const uint8_t *)exact, f->length);
    if (cox_mem_in_use() != before) {
        fprintf(stderr, "fuzz: %lld bytes leaked by %s\n", (long long)(cox_mem_in_use() - before),
                f->last);
        exit(1);
    }
    free(exact);
}

static void load(struct fuzzer *f, const struct input *input)
{
    memcpy(f->work, input->bytes, input->length);
    f->length = input->length;
}

static long long number_after(int argc, char **argv, int *i, const char *name, long long value)
{
    if (strcmp(argv[*i], name) || *i + 1 >= argc)
        return value;
    if (cox_parse_int(argv[++*i], &value)) {
        fprintf(stderr, "fuzz: %s takes a number\n", name);
        exit(2);
    }
    argv[*i] = argv[0]; /* consumed */
    return value;
}

int main(int argc, char **argv)
{
    static struct fuzzer f;
    long long seed = 1;
    long long runs = 1000000;
    long long seconds = 3;
    int replay = 0;
    f.work = malloc(MAX_BYTES);
    snprintf(f.last, sizeof f.last, "fuzz-last-%d.bin", (int)getpid());
    for (int i = 1; i < argc; i++) {
        int at = i;
        seed = number_after(argc, argv, &i, "--seed", seed);
        runs = number_after(argc, argv, &i, "--runs", runs);
        seconds = number_after(argc, argv, &i, "--seconds", seconds);
        if (!strcmp(argv[at], "--replay"))
            replay = 1;
        else if (i == at && argv[i] != argv[0])
            add_path(&f, argv[i]);
    }
    if (!f.n || !f.work) {
        printf("fuzz: skipped, no inputs\n");
        return 77;
    }
    cox_rng_init(&f.rng, (uint64_t)seed, 0);
    for (int i = 0; i < f.n; i++) {
        load(&f, &f.inputs[i]);
        run_one(&f);
    }
    long long done = 0;
    double end = cox_clock_seconds() + (double)seconds;
    for (; !replay && done < runs && cox_clock_seconds() < end; done++) {
        load(&f, &f.inputs[below(&f, (size_t)f.n)]);
        for (size_t changes = 1 + below(&f, 8); changes; changes--)
            change(&f);
        run_one(&f);
    }
    unlink(f.last);
    printf("fuzz: %d files and %lld changes of them, seed %lld\n", f.n, done, seed);
    for (int i = 0; i < f.n; i++)
        cox_free(f.inputs[i].bytes);
    free(f.work);
    return 0;
}
