/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

static atomic_int interrupted;

static void on_signal(int number)
{
    if (atomic_exchange(&interrupted, 1) && number == SIGINT)
        _exit(130);
}

const atomic_int *cox_interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &interrupted;
}
