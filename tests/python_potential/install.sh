#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# install.sh CMAKE BUILD SOURCE CC: installs, compiles examples/potential-c against what is there, and
# loads python/coxswain from there.
set -eu
cmake=$1
build=$2
source=$3
export CC=$4
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

"$cmake" --install "$build" --prefix "$prefix" >"$prefix/log" || {
    cat "$prefix/log"
    exit 1
}
model=$source/tests/potential_oracles/se_a.dp
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name coxswain.pc)")
export PKG_CONFIG_PATH
# the prefix moved: pkg-config takes it from where the file lies
export PKG_CONFIG="pkg-config --define-variable=prefix=$prefix"
cp -r "$prefix/share/coxswain/examples/potential-c" "$prefix/example"
CFLAGS="-O2 -Wall -Wextra -Werror" make -s -C "$prefix/example" vibrate
cat >"$prefix/molecule.xyz" <<XYZ
3
one of each side
O 0.00 0.00 0.10
H 0.76 0.10 -0.48
H -0.76 -0.10 -0.48
XYZ
"$prefix/example/vibrate" "$model" "$prefix/molecule.xyz" 200 | tee "$prefix/said"
# 1.4 eV have become motion; the total energy is what it was to 1 % of that (the model is a rough one)
awk '/^3 atoms/ { before = $4 } /^after/ { after = $(NF - 1) } END {
    d = after - before; exit !(before != "" && after != "" && d < 0.014 && d > -0.014) }' "$prefix/said"
! "$prefix/example/vibrate" "$prefix/absent.dp" "$prefix/molecule.xyz" 2>"$prefix/log" || exit 1
grep -q "absent.dp" "$prefix/log"
# C++ takes the header as it is
printf '#include <cox/potential.h>\nint main() { cox_potential_options o = COX_POTENTIAL_OPTIONS_INIT;
cox_potential_result r = COX_POTENTIAL_RESULT_INIT; return o.threads != 1 || r.left_out; }\n' |
    c++ -Wall -Wextra -Werror -I"$prefix/include" -o "$prefix/cxx" -x c++ -
"$prefix/cxx"
/usr/bin/python3 -c 'import numpy' 2>/dev/null || {
    echo "install: python3-numpy is absent, its part is left out"
    exit 0
}
cd "$prefix" # not where python/ is
unset COXSWAIN_LIBRARY
PYTHONPATH=$prefix/share/coxswain/python /usr/bin/python3 - "$model" "$prefix" <<'PYTHON'
import sys
import coxswain
assert coxswain.__file__.startswith(sys.argv[2]), coxswain.__file__
potential = coxswain.Potential(sys.argv[1])
assert coxswain._library._name.startswith(sys.argv[2]), coxswain._library._name
print(potential, potential.compute([[0, 0, 0.1], [0.76, 0.1, -0.48], [-0.76, -0.1, -0.48]], [0, 1, 1]).energy)
PYTHON
