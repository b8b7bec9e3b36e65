# SPDX-License-Identifier: BSD-3-Clause
# Helpers of the tests of `cox prepare`. Use: . common.sh COX SOURCE
cox=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
TMPDIR=$work/tmp
export TMPDIR
cd "$work" || exit 1
failures=0

fail()
{
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

# expect CODE WORDS COMMAND…: exit code, and words in what it printed.
expect()
{
    code=$1
    words=$2
    shift 2
    "$@" > out 2>&1
    got=$?
    [ $got -eq "$code" ] || fail "exit $got instead of $code: $*: $(cat out)"
    grep -q -F -e "$words" out || fail "no '$words' from $*: $(cat out)"
    [ -z "$(ls "$TMPDIR")" ] || fail "left behind after $*: $(ls "$TMPDIR")"
}

# field FILE KEY: a number or text of `cox show --json`.
field()
{
    "$cox" show --json "$1" | sed -n "s/^  \"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p"
}

finish()
{
    [ $failures -eq 0 ] && echo "all passed"
    exit $((failures > 0))
}
