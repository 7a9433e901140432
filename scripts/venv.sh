#!/bin/sh
# Make the environment $VENV with a Python that mxnet 1.9.1 runs on, and install mxfair into it.
set -eu
: "${VENV:=.venv}"
fits='import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'
chosen=""
# 3.13 comes last: NumPy 1.26 has no wheel for it, so pip compiles it (several minutes, needs a C compiler).
for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10 python3.9 python3.13 python}; do
    if "$candidate" -c "$fits" >/dev/null 2>&1; then
        if [ -z "${PYTHON:-}" ] && [ -z "$chosen" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))'; then
            last_resort=$candidate
            continue
        fi
        chosen=$candidate
        break
    fi
done
chosen=${chosen:-${last_resort:-}}
if [ -z "$chosen" ]; then
    if [ -n "${PYTHON:-}" ]; then
        echo "mxfair needs Python 3.9 to 3.13 with venv; PYTHON=$PYTHON is not one." >&2
    else
        echo "mxfair needs Python 3.9 to 3.13 with venv; found none." >&2
    fi
    echo "Install one (Debian: apt-get install python3 python3-venv) or name it: PYTHON=/path/to/python3.11 make test" >&2
    exit 1
fi
[ -x "$VENV/bin/python" ] && [ -n "${PYTHON:-}" ] && echo "$VENV exists and is used as it is; remove it to change its Python."
echo "Creating $VENV with $("$chosen" --version) and installing mxfair (the first time takes a minute or two)"
if "$chosen" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))'; then
    echo "NumPy 1.26 has no wheel for Python 3.13: pip compiles it, which takes up to ten minutes and needs a C compiler."
fi
[ -x "$VENV/bin/python" ] || "$chosen" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[dev]'
