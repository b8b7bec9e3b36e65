#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs the Debian packages that are missing: `tools/deps.sh build` to build and run cox,
# `tools/deps.sh test` for what the tests compare against as well. Says what it does; does nothing
# when all are there.
set -eu

build="build-essential cmake ninja-build pkg-config libhdf5-dev libyaml-dev
libjansson-dev libsqlite3-dev libzmq3-dev libmsgpack-dev hdf5-filter-plugin-blosc-serial"
test="libcmocka-dev python3 python3-h5py python3-numpy python3-sklearn python3-torch
python3-mdanalysis python3-zmq python3-msgpack python3-yaml python3-ase python3-simtk gromacs libopenmm-dev libopenmm-plugins clang-format clang-tidy
lammps libkim-api-dev openmpi-bin
slurmctld slurmd slurm-client munge iproute2 strace faketime"

case "${1:-build}" in
build) wanted="$build" ;;
test) wanted="$build $test" ;;
*)
    echo "usage: tools/deps.sh [build|test]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "deps: not a Debian system; please see to it that these are installed:"
    echo $wanted
    exit 0
fi

missing=""
for package in $wanted; do
    case "$package" in
    pkg-config) command -v pkg-config >/dev/null && continue ;;
    esac
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" -eq 0 ] || as_root=sudo
if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
    echo "deps: missing:$missing" >&2
    echo "deps: become root and run: apt-get install$missing" >&2
    exit 1
fi
echo "deps: installing$missing"
# The tests start daemons of their own (Slurm, munge): those of the system are not to start because
# their packages come. Debian asks this file; one that is there already has the say.
policy=/usr/sbin/policy-rc.d
if [ "${1:-build}" = test ] && [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
