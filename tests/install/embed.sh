#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# embed.sh CMAKE BUILD SOURCE CC SANITIZE: installs, compiles the example, runs it and the program.
set -eu
cmake=$1
build=$2
source=$3
export CC=$4
sanitize=$5
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

"$cmake" --install "$build" --prefix "$prefix" >"$prefix/log" || {
    cat "$prefix/log"
    exit 1
}
system=$(find "$prefix/share/coxswain/examples" -name '*.system.h5' | sort | tail -n 1)
[ -n "$system" ] || {
    echo "install: skipped, no example system is installed"
    exit 77
}
pc=$(dirname "$(find "$prefix" -name coxswain.pc)")
export PKG_CONFIG_PATH="$pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
# the prefix moved: pkg-config takes it from where the file lies
export PKG_CONFIG="pkg-config --define-variable=prefix=$prefix"
cp -r "$prefix/share/coxswain/examples/embed" "$prefix/embed"
export CFLAGS="-O2 -Wall -Wextra -Werror${sanitize:+ -fsanitize=$sanitize}"
make -s -C "$prefix/embed" fold
output=$("$prefix/embed/fold" "$system")
echo "$output"
[ "$(echo "$output" | grep -cE '^replica [0-3]: potential -?[0-9.]+ kJ/mol, temperature [1-5][0-9][0-9] K$')" -eq 4 ] || {
    echo "install: wanted four replicas, each between 100 and 599 K"
    exit 1
}
! "$prefix/embed/fold" "$prefix/absent.h5" 2>"$prefix/log" || exit 1
grep -q "absent.h5" "$prefix/log"
"$prefix/bin/cox" --version
# a header that is installed must not name one that is not
for header in "$prefix"/include/cox/*.h; do
    printf '#include <cox/%s>\nint main(void) { return 0; }\n' "$(basename "$header")" |
        $CC -std=c11 -I"$prefix/include" -fsyntax-only -x c -
done
echo "install: compiled against $pc, $(ls "$prefix"/include/cox | wc -l) headers"
