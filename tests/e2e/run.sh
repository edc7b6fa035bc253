#!/bin/bash
# run.sh PYTHON NAME [OPTIONS]: run test_NAME.py in a world of its own, with more options of pytest's.
#
# The world ends with the tests, whatever ends them. With KEEP=1 it stays, and so do its container
# nodes, until the next run: to look around in, and to have it sooner.
set -euo pipefail
python=$1 name=$2
shift 2
world=$(echo "$name" | tr _ - | cut -c 1-16)
testbed() { "$python" -m tests.testbed --world "$world" "$@"; }

exec 9>"/run/lock/labctl-$world"
flock --nonblock 9 || { echo "another run has the world $world" >&2; exit 75; }
trap 'exit 130' INT TERM
if [ -z "${KEEP:-}" ]; then
  trap 'testbed down' EXIT
  testbed down
fi
testbed up
# A test that hangs shows where it does so, and the others are run still.
tests() {
  testbed run -- "$python" -m pytest -vv -p no:cacheprovider --durations=15 --timeout=1500 \
    "tests/e2e/test_$name.py" "$@"
}
case ${MAKEFLAGS-} in
  # Beside other files: whole lines, each with the file that it is of.
  *jobserver*) tests "$@" | (trap '' INT; exec sed --unbuffered "s|^|$name: |") ;;
  *) tests "$@" ;;
esac
