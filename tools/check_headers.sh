#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every public header compiles alone as plain C11. Usage: check_headers.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/..}"
status=0
count=0
for header in include/cox/*.h; do
    count=$((count + 1))
    # through a file that includes it: a header of its own would warn of its guard
    printf '#include "cox/%s"\nextern int unused;\n' "$(basename "$header")" |
        ${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c - || {
        echo "headers: $header does not compile alone"
        status=1
    }
done
echo "headers: $count public headers compiled alone"
exit $status
