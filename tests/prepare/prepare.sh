#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/common.sh"
if ! command -v gmx > /dev/null; then
    echo "SKIPPED: gmx is not installed"
    exit 77
fi

# check FILE KEY VALUE
check()
{
    [ "$(field "$1" "$2")" = "$3" ] || fail "$1: $2 is '$(field "$1" "$2")', not '$3'"
}

# The examples are what these commands make (all but the coordinates' last digits and provenance).
same_as_example()
{
    example=$source/examples/$1
    for key in atoms residues sequence bonds angles torsions impropers pairs14 exclusions charge_e \
        mass_u solvent; do
        check made.system.h5 $key "$(field "$example" $key)"
    done
    made=$(field made.system.h5 radius_of_gyration_A)
    there=$(field "$example" radius_of_gyration_A)
    [ "${made%"${made#?????}"}" = "${there%"${there#?????}"}" ] || fail "$1: size $made, not $there"
}
expect 0 "22 atoms" "$cox" prepare --sequence A --cap -o made.system.h5
same_as_example alanine-dipeptide/alanine-dipeptide.system.h5
expect 0 "162 atoms" "$cox" prepare --sequence AAAAAAAAAAAAAAA --cap --phi -57 --psi -47 -o made.system.h5
same_as_example helix/folded.system.h5
expect 0 "162 atoms" "$cox" prepare --sequence AAAAAAAAAAAAAAA --cap -o made.system.h5
same_as_example helix/extended.system.h5
expect 0 "phi of proline" "$cox" prepare --sequence YYDPETGTWY -o made.system.h5
same_as_example chignolin/extended.system.h5
shared=${COX_SHARED:-$source/../shared}
if [ -f "$shared/data/bba/unfolded.pdb" ]; then
    expect 0 "names of other programs" "$cox" prepare "$shared/data/bba/unfolded.pdb" -o made.system.h5
    same_as_example bba/bba.system.h5
    # OpenMM's count.
    check made.system.h5 torsions 1461
    expect 0 "34 models; model 1 was taken" "$cox" prepare "$shared/data/bba/folded.pdb" -o made.system.h5
    check made.system.h5 atoms 504
    expect 0 "504 atoms" "$cox" prepare "$shared/data/bba/folded.pdb" --model 7 -o made.system.h5
    grep -q "models" out && fail "a note about models though one was asked for"
    expect 1 "no model 99; the file has 34" "$cox" prepare "$shared/data/bba/folded.pdb" --model 99 -o x.h5
    expect 0 "166 atoms" "$cox" prepare "$shared/data/cln025/unfolded.pdb" -o made.system.h5
    same_as_example chignolin/cln025.system.h5
else
    echo "SKIPPED: the part with $shared/data, which is not there"
fi

# All twenty residues; the same command makes the same bytes.
all=ACDEFGHIKLMNPQRSTVWY
expect 0 "336 atoms, 22 residues, charge 0 e" "$cox" prepare --sequence $all --cap -o all.system.h5
cp all.system.h5 first.system.h5
expect 0 "ACE-$all-NME" "$cox" prepare --sequence $all --cap -o all.system.h5
cmp -s first.system.h5 all.system.h5 || fail "two runs of one command differ"

# Disulfides, within and between chains, are pdb2gmx's.
expect 0 "1 disulfide bond" "$cox" prepare "$source/tests/data/disulfide.pdb" -o ss.system.h5
check ss.system.h5 sequence "ACE-C-NME/ACE-C-NME"
check ss.system.h5 disulfides 1

# Histidine as named, from the heavy atoms of a built chain written by hand.
cat > his.pdb << END
ATOM      1  N   GLY A   1       1.204   1.540   5.082
ATOM      2  CA  GLY A   1       1.206   0.087   5.082
ATOM      3  C   GLY A   1      -0.160  -0.519   5.082
ATOM      4  O   GLY A   1      -1.160   0.200   5.082
ATOM      5  N   HIS A   2      -0.219  -1.847   5.082
ATOM      6  CA  HIS A   2      -1.488  -2.565   5.082
ATOM      7  C   HIS A   2      -2.320  -2.200   6.306
ATOM      8  O   HIS A   2      -1.796  -2.117   7.417
ATOM      9  CB  HIS A   2      -1.240  -4.074   5.040
ATOM     10  CG  HIS A   2      -2.493  -4.893   5.040
ATOM     11  ND1 HIS A   2      -3.290  -5.019   3.922
ATOM     12  CE1 HIS A   2      -4.303  -5.802   4.199
ATOM     13  NE2 HIS A   2      -4.211  -6.203   5.453
ATOM     14  CD2 HIS A   2      -3.081  -5.642   6.009
ATOM     15  N   GLY A   3      -3.620  -1.990   6.130
ATOM     16  CA  GLY A   3      -4.510  -1.630   7.230
ATOM     17  C   GLY A   3      -5.960  -1.900   6.870
ATOM     18  O   GLY A   3      -6.250  -2.420   5.790
END
for name in HIS:0 HID:0 HIE:0 HIP:1 HSD:0 HSE:0 HSP:1; do
    sed "s/HIS/${name%:*}/" his.pdb > named.pdb
    expect 0 "GHG" "$cox" prepare named.pdb -o his.system.h5
    charge=$(field his.system.h5 charge_e)
    [ "${charge%.*}" = "${name#*:}" ] || fail "${name%:*} has charge $charge"
done
check his.system.h5 atoms 35

# Insertion codes and numbers below zero are residues like others; of alternate locations one stays.
sed 's/GLY A   3 /GLY A   2A/; s/GLY A   1 /GLY A  -1 /' his.pdb > odd.pdb
expect 0 "GHG" "$cox" prepare odd.pdb -o odd.system.h5
check odd.system.h5 atoms 34
sed 's/^\(ATOM      9  CB  HIS.*\)\(-4.074\)\(.*\)$/\1\2\3  0.30\n\1-4.174\3  0.70/;
    s/  CB  HIS\(.*0.30\)/  CB AHIS\1/; s/  CB  HIS\(.*0.70\)/  CB BHIS\1/' his.pdb > odd.pdb
expect 0 "residue HIS A 2 has alternate locations; 'B' was taken" "$cox" prepare odd.pdb -o odd.system.h5
check odd.system.h5 atoms 34

# What pdb2gmx or we refuse, in our words.
grep -v CE1 his.pdb > gap.pdb
expect 1 "HIS A 2 (line 5) lacks CE1" "$cox" prepare gap.pdb -o x.system.h5
grep -v HIS his.pdb > gap.pdb
expect 1 "gap.pdb:5: the chain is broken between GLY A 1 and GLY A 3" "$cox" prepare gap.pdb -o x.system.h5
sed 's/ATOM     12  CE1/&/; $a ATOM     19  QQ  GLY A   3      -7.250  -2.420   5.790' his.pdb > odd.pdb
expect 1 "Atom QQ in residue GLY 3 was not found" "$cox" prepare odd.pdb -o x.system.h5
expect 1 "Could not find force field 'nosuch'" "$cox" prepare his.pdb --forcefield nosuch -o x.system.h5
expect 1 "terms of the kind 'UREY_BRADLEY'" "$cox" prepare his.pdb --forcefield charmm27 -o x.system.h5
expect 1 "runs into itself" "$cox" prepare --sequence $all --phi -57 --psi -47 -o x.system.h5
expect 0 "solvent vacuum" "$cox" prepare his.pdb --solvent vacuum --radii mbondi2 -o vacuum.system.h5
expect 0 '"radii": "mbondi2"' "$cox" show --json vacuum.system.h5
[ ! -e x.system.h5 ] || fail "a refused input left a file"
finish
