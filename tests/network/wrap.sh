#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# runtime.wrapper of test_network.py: simulations run on the other host.
if [ "$COX_ROLE" = simulate ]; then
    exec ip netns exec cox-b "$@"
fi
exec "$@"
