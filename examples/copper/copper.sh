#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copper from the labels to the stress-strain curve; docs/copper.md tells the story.
#     sh copper.sh [STAGE...]     labels train install properties pull figure; default: all
# Needs cox, LAMMPS with its KIM package (Debian: lammps), and a C compiler. Settings, with their
# defaults, are the variables below: EDGE=60 GRAINS=8 sh copper.sh pull figure
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${WORK:=copper-run}"         # where everything is written
: "${COX:=cox}"
: "${LMP:=lmp}"                 # or "mpirun -np 4 lmp"
: "${EAM:=/usr/share/lammps/potentials/Cu_mishin1.eam.alloy}" # Mishin et al., PRB 63, 224106 (2001)
: "${LATTICE:=3.615}"           # Å, around which the cells are built
: "${STEPS:=60000}"             # of training
: "${PRECISION:=float64}"       # of the nets in LAMMPS
: "${EDGE:=40}"                 # Å, of the nanocrystalline cube
: "${GRAINS:=4}"
: "${ANNEAL:=5000}"             # steps of 2 fs
: "${RATE:=0.01}"               # 1/ps, of the pull: 1e10/s
: "${STRAIN:=0.15}"             # at its end
: "${CC:=cc}"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

mkdir -p "$WORK"
cd "$WORK"
for program in labels polycrystal; do
    [ "$program" -nt "$here/$program.c" ] || $CC -O2 -o "$program" "$here/$program.c" -lm
done

# ---- labels ----

# label NAME CELL T FRAMES [-var NAME VALUE]...: one run of LAMMPS makes one system
label() {
    name=$1 cell=$2 temperature=$3 frames=$4
    shift 4
    $LMP -in "$here/in.label" -var cell "$here/cells/$cell" -var eam "$EAM" -var a "$LATTICE" \
        -var T "$temperature" -var frames "$frames" -var every 50 -var seed 4711 "$@" \
        -screen none -log "label.log" || { tail -n 3 label.log; exit 1; }
    ./labels frames.txt frames.dump "data/train/$name" "data/valid/$name"
}

labels() {
    rm -rf data
    mkdir -p data/train data/valid
    for scale in 0.94 0.96 0.98 1 1.02 1.04 1.06; do
        label "bulk-$scale-10" bulk 10 8 -var scale $scale
        label "bulk-$scale-300" bulk 300 16 -var scale $scale
    done
    for temperature in 600 900 1200; do
        for scale in 0.98 1 1.02; do
            label "bulk-$scale-$temperature" bulk $temperature 16 -var scale $scale
        done
    done
    # strains up to 6 %, drawn from a fixed seed
    awk 'BEGIN { srand(1); for (i = 1; i <= 14; i++) { s = i
        for (k = 0; k < 6; k++) s = s " " (k < 3) + (rand() - .5) * .12
        print s } }' >strains.txt
    while read -r i xx yy zz xy xz yz; do
        label "strain-$i" bulk 300 12 -var xx "$xx" -var yy "$yy" -var zz "$zz" -var xy "$xy" \
            -var xz "$xz" -var yz "$yz"
    done <strains.txt
    for holes in 1 2 4; do
        label "holes-$holes-10" bulk 10 8 -var holes $holes
        label "holes-$holes-300" bulk 300 16 -var holes $holes
        label "holes-$holes-1000" bulk 1000 16 -var holes $holes
    done
    for temperature in 10 300 700; do
        label "planes-$temperature" planes $temperature 16
        label "fault-$temperature" planes $temperature 16 -var out 1
        label "fault12-$temperature" planes $temperature 16 -var out 1 -var planes 12 -var ny 1
        label "hcp-$temperature" hcp $temperature 16
        label "surface-111-$temperature" planes $temperature 16 -var vacuum 10
        label "surface-100-$temperature" slab $temperature 16
        label "surface-110-$temperature" slab $temperature 16 -var orient 110
    done
    for scale in 0.98 1.02; do
        label "hcp-$scale" hcp 300 8 -var scale $scale
        label "fault-$scale" planes 300 8 -var out 1 -var scale $scale
    done
    for shift in -1.4 -1.1 -0.8 -0.5 -0.2 0.2 0.5 0.8 1.1 1.4; do
        label "shift$shift-10" planes 10 8 -var shift " $shift"
        label "shift$shift-300" planes 300 8 -var shift " $shift"
    done
    for scale in 0.98 1 1.03; do
        label "liquid-$scale" bulk 1500 24 -var scale $scale -var melt 3000
        label "glass-$scale" bulk 300 24 -var scale $scale -var melt 3000
    done
    for seed in 1 2 3 4 5 6; do
        ./polycrystal 17.5 3 "$LATTICE" $seed >grains.data
        label "grains-$seed-300" grains 300 16 -var pull 0.1
        label "grains-$seed-800" grains 800 16
    done
}

# ---- training ----

train() {
    sed 's/"numb_steps": [0-9]*/"numb_steps": '"$STEPS"'/' "$here/input.json" >input.json
    $COX potential train input.json
    $COX potential test -m model.dp -s data/valid >test.txt
    sed -n '/weighted/,$p' test.txt # over all systems; the file has each
}

# ---- into LAMMPS ----

install() {
    $COX potential compress -i model.dp -o compressed.dp
    $COX potential kim-install compressed.dp coxswain_copper --precision "$PRECISION" \
        --collection "$PWD/kim"
}

# use NAME: the lines that choose a potential
use() {
    export KIM_API_MODEL_DRIVERS_DIR="$PWD/kim" KIM_API_PORTABLE_MODELS_DIR="$PWD/kim"
    case $1 in
    eam) printf 'pair_style eam/alloy\npair_coeff * * %s Cu\n' "$EAM" >eam.pot ;;
    dp) printf 'pair_style kim coxswain_copper\npair_coeff * * Cu\n' >dp.pot ;;
    esac
}

properties() {
    for name in eam dp; do
        use $name
        $LMP -in "$here/in.properties" -var potential $name.pot -var cells "$here/cells" \
            -var planes 15 -var out 1 -screen none -log "properties-$name.log"
        mv properties.txt "properties-$name.txt"
    done
    printf '%-22s %12s %12s\n' '' EAM DP
    awk 'NR == FNR { eam[$1] = $2; next } !/^#/ { printf "%-22s %12s %12s\n", $1, eam[$1], $2 }' \
        properties-eam.txt properties-dp.txt | tee properties.txt
}

pull() {
    use eam
    ./polycrystal "$EDGE" "$GRAINS" "$LATTICE" 1 >polycrystal.data
    $LMP -in "$here/in.start" -var data polycrystal.data -var potential eam.pot -screen none \
        -log start.log
    for name in eam dp; do
        use $name
        $LMP -in "$here/in.pull" -var potential $name.pot -var name $name -var anneal "$ANNEAL" \
            -var rate "$RATE" -var strain "$STRAIN" -screen none -log "pull-$name.log"
        grep '^Loop time' "pull-$name.log"
    done
}

figure() {
    awk -f "$here/figure.awk" pull-eam.txt pull-dp.txt >stress-strain.svg
    for name in eam dp; do # where it flows: the mean of the second half
        awk -v name=$name -v half="$STRAIN" '!/^#/ { if ($3 > top) top = $3
            if ($2 > half / 2) { sum += $3; n++ } }
            END { printf "%-4s highest stress %.2f GPa, flow stress %.2f GPa\n", name, top, sum / n }' \
            "pull-$name.txt"
    done | tee stress.txt
    echo "figure: $PWD/stress-strain.svg"
}

stages=${*:-labels train install properties pull figure}
for stage in $stages; do
    case $stage in
    labels | train | install | properties | pull | figure) $stage ;;
    *)
        echo "copper.sh: no stage '$stage': labels train install properties pull figure" >&2
        exit 2
        ;;
    esac
done
