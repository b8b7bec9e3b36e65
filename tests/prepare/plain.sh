#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/common.sh"
data=$source/tests/data

# Amber's files need no GROMACS, and give the terms of the example.
expect 0 "22 atoms, 3 residues, charge 0 e" "$cox" prepare "$data/alanine-dipeptide.prmtop" \
    "$data/alanine-dipeptide.inpcrd" -o ala.system.h5
example=$source/examples/alanine-dipeptide/alanine-dipeptide.system.h5
for key in atoms sequence bonds angles torsions impropers pairs14 exclusions; do
    [ -n "$(field ala.system.h5 $key)" ] || fail "no $key in cox show --json"
    [ "$(field ala.system.h5 $key)" = "$(field "$example" $key)" ] || fail "$key differs"
done
expect 0 "ACE-A-NME" "$cox" show ala.system.h5
expect 0 "of the prmtop" "$cox" show ala.system.h5

# Refused input: its words, no output file, an older one left as it was.
expect 1 "No such file" "$cox" prepare nothing.pdb -o x.system.h5
printf 'ATOM      1  N   GLY A   1      10.000  11.0' > cut.pdb
expect 1 "cut.pdb:1: the line ends before its coordinates" "$cox" prepare cut.pdb -o x.system.h5
[ ! -e x.system.h5 ] || fail "a refused input left a file"
cp ala.system.h5 old.system.h5
expect 1 "cut.pdb:1" "$cox" prepare cut.pdb -o old.system.h5
cmp -s ala.system.h5 old.system.h5 || fail "a refused input changed an older file"
expect 1 "letter 2 of the sequence, 'B'" "$cox" prepare --sequence ABC -o x.system.h5
expect 1 "unknown solvent 'water'" "$cox" prepare --sequence A --solvent water -o x.system.h5
expect 1 "unknown radii 'big'" "$cox" prepare --sequence A --radii big -o x.system.h5

# Usage.
expect 2 "cox prepare --help" "$cox" prepare -o x.system.h5
expect 2 "-o OUT.system.h5" "$cox" prepare --sequence AA
expect 2 "not both" "$cox" prepare some.pdb --sequence AA -o x.system.h5
expect 2 "a prmtop needs coordinates" "$cox" prepare some.prmtop -o x.system.h5
expect 2 "did you mean '--sequence'" "$cox" prepare --sequense AA -o x.system.h5
expect 2 "from -180 to 180" "$cox" prepare --sequence AA --phi 200 -o x.system.h5
expect 0 "cox prepare --sequence YYDPETGTWY" "$cox" prepare --help
expect 2 "an argument is missing" "$cox" show

# No GROMACS.
expect 1 "install Debian's package 'gromacs'" "$cox" prepare --sequence AA --gmx ./no-gmx -o x.system.h5
# One that dies: the last line that it said.
printf '#!/bin/sh\necho some words\necho the last words >&2\nexit 3\n' > dies
chmod +x dies
expect 1 "GROMACS pdb2gmx refuses it (exit 3): the last words" "$cox" prepare --sequence AA \
    --gmx "$work/dies" -o x.system.h5
# One that succeeds with nonsense.
printf '#!/bin/sh\nexit 0\n' > silent
chmod +x silent
expect 1 "gmx dump lists" "$cox" prepare --sequence AA --gmx "$work/silent" -o x.system.h5

# Interrupted: exit 130, the helper ended, nothing left behind.
printf '#!/bin/sh\necho $$ > "%s/pid"\nexec sleep 60\n' "$work" > slow
chmod +x slow
"$cox" prepare --sequence AA --gmx "$work/slow" -o x.system.h5 > out 2>&1 &
process=$!
tries=0
while [ ! -s pid ] && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -INT $process
wait $process
[ $? -eq 130 ] || fail "an interrupted prepare did not exit with 130: $(cat out)"
kill -0 "$(cat pid)" 2> /dev/null && fail "the helper lives on after an interruption"
[ -z "$(ls "$TMPDIR")" ] || fail "an interrupted prepare left $(ls "$TMPDIR")"
[ ! -e x.system.h5 ] || fail "a failed prepare left a file"
finish
