#!/usr/bin/env bash
# Before anything is installed: is there a fit Python, and room? One clear sentence otherwise.
set -euo pipefail
python="${1:-python3}"
stop() { echo "telecine: $*" >&2; exit 1; }

command -v "$python" >/dev/null || stop "'$python' is not here: install Python 3.11 or newer, or name yours with 'make PYTHON=/path/python3 …'."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$python" --version 2>&1) is too old: Telecine needs Python 3.11 or newer; name one with 'make PYTHON=/path/python3.11 …'."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  stop "this Python cannot make virtual environments: on Debian run 'apt-get install python3-venv', then try again."
[ "$(uname -s)" = Linux ] || stop "the tools come as Linux wheels; on $(uname -s) use a Linux machine or a container."
free_kb=$(df -Pk . | awk 'NR==2 {print $4}')
[ "$free_kb" -ge 6000000 ] ||
  stop "only $((free_kb / 1000)) MB are free here and the installation and the demo need 6 GB: free some, or clone elsewhere."
