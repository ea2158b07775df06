#!/usr/bin/env bash
# The fast tests with the oldest dependencies that pyproject.toml allows, and with the newest.
#
#     scripts/test_versions.sh oldest [python3.11] [pytest arguments]
#     scripts/test_versions.sh newest [python3.13] [pytest arguments]
#
# The environments are .venv-oldest and .venv-newest; remove one to make it anew.
set -euo pipefail
cd "$(dirname "$0")/.."

which=${1:-}
case $which in
    oldest) python=${2:-python3.11} ;;
    newest) python=${2:-python3.13} ;;
    *) echo "Name which versions to test: '$0 oldest' or '$0 newest'; got '$which'." >&2; exit 2 ;;
esac
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "'$python' must be a Python 3.11 or newer; name one, as in '$0 $which /path/to/python'." >&2
    exit 2
fi
shift $(($# < 2 ? $# : 2))

environment=.venv-$which
run=$environment/bin/python
if [ ! -e "$environment/.installed" ]; then
    "$python" -m venv "$environment"
    constraints=$environment/constraints.txt
    touch "$constraints"
    if [ "$which" = oldest ]; then
        # "name>=version" of what ktrans itself needs, as "name==version".
        "$run" -c 'import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["project"]["dependencies"], sep="\n")' |
            sed 's/>=/==/' >"$constraints"
    fi
    install=("$run" -m pip install --quiet --disable-pip-version-check)
    "${install[@]}" --upgrade --constraint "$constraints" --editable ".[test]"
    "${install[@]}" --no-deps "neural-tangents==0.6.5"
    touch "$environment/.installed"
fi

"$run" -c 'import sys, importlib.metadata as m
print("Python", sys.version.split()[0], *(f"{n} {m.version(n)}" for n in ("jax", "numpy", "scipy", "equinox")))'
"$run" -m pytest -n auto --maxprocesses 4 -m "not slow and not browser" "$@"
