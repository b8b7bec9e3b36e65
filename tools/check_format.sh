#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every C file is as clang-format leaves it. Usage: check_format.sh [ROOT]; 77 without clang-format.
set -eu
cd "${1:-$(dirname "$0")/..}"
command -v clang-format >/dev/null || {
    echo "format: skipped, no clang-format"
    exit 77
}
folders=""
for folder in src include tests bench fuzz examples; do
    [ ! -d "$folder" ] || folders="$folders $folder"
done
find $folders '(' -name '*.[ch]' -o -name '*.cc' ')' -print0 | xargs -0 -r -n 20 -P 2 clang-format --dry-run -Werror
echo "format: $(find $folders -name '*.[ch]' -o -name '*.cc' | wc -l) files as clang-format leaves them"
