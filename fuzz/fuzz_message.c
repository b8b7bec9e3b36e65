/* SPDX-License-Identifier: BSD-3-Clause */
/* Control messages: what is accepted packs to bytes that are accepted and pack to themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "stream/message.h"

/* Everything that a role would ask of a message, of every kind, at every depth. */
static void read_all(const struct cox_message *m, int depth)
{
    static const char *const keys[] = {"type", "epoch", "lanes", "x", "list", "reason", "a", ""};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t length;
        int n;
        const unsigned char *bytes = cox_message_bytes(m, keys[i], &length);
        const int64_t *ints = cox_message_ints(m, keys[i], &n);
        volatile int64_t sum = cox_message_int(m, keys[i], 0);
        sum += (int64_t)strlen(cox_message_text(m, keys[i], ""));
        sum += cox_message_number(m, keys[i], 0) > 0;
        sum += length ? bytes[length - 1] : 0;
        sum += n ? ints[n - 1] & 1 : 0;
        n = cox_message_count(m, keys[i]);
        if (n && depth)
            read_all(cox_message_item(m, keys[i], n - 1), depth - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cox_message *m, *again;
    void *bytes, *second;
    size_t n, n2;
    if (cox_message_unpack(&m, data, size, NULL))
        return 0;
    read_all(m, COX_MESSAGE_MAX_DEPTH);
    if (cox_message_pack(m, &bytes, &n, NULL) || cox_message_unpack(&again, bytes, n, NULL) ||
        cox_message_pack(again, &second, &n2, NULL) || n != n2 || memcmp(bytes, second, n) != 0)
        abort();
    cox_free(bytes);
    cox_free(second);
    cox_message_destroy(m);
    cox_message_destroy(again);
    return 0;
}
