#!/usr/bin/env bash
# Two rounds of pytest: on two processes what may run beside other tests, then the rest one by one. Red when either is;
# the closing line counts both.
set -uo pipefail
cd "$(dirname "$0")/.."
readonly NOTHING_TO_RUN=5
tallies=$(mktemp -d) && trap 'rm -rf "$tallies"' EXIT
.venv/bin/python -m pytest --round beside --tally "$tallies/beside" -n 2 --dist loadfile "$@"
beside=$?
case $beside in 0 | 1 | "$NOTHING_TO_RUN") ;; *) exit "$beside" ;; esac # interrupted, stopped by -x or asked wrongly
.venv/bin/python -m pytest --round alone --tally "$tallies/alone" "$@"
alone=$?
.venv/bin/python scripts/closing_line.py "$SECONDS" "$tallies"/*
[ "$beside" = "$NOTHING_TO_RUN" ] && exit "$alone"
[ "$beside" != 0 ] && exit "$beside"
[ "$alone" = "$NOTHING_TO_RUN" ] && exit 0
exit "$alone"
