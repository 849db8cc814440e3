#!/usr/bin/env bash
# Run the tests of the library (what a program imports: standard library only) under every other CPython at hand,
# those without a global interpreter lock above all.
#
#     tests/pythons.sh [PYTEST-OPTION...]
#
#     tests/pythons.sh
#     BASCULE_PYTHONS=/opt/python3.13/bin/python3.13:/opt/python3.13t/bin/python3.13t tests/pythons.sh -x
#
# Which interpreters: those that BASCULE_PYTHONS names (paths, with colons between), and of each kind in `wanted` below
# that is not among them the first on PATH (python3.12, python3.13t, ...). What counts is what an interpreter says that
# it is, not its file's name. `tests/build-python.sh` builds one that the distribution does not have.
#
# Each runs in its own virtual environment in a temporary directory, which is removed at the end, with pytest,
# pytest-timeout and hypothesis of the versions that requirements/dev.txt pins, and nothing else: tests of what needs
# more skip themselves. Hypothesis is compiled, and has no wheel for some interpreters (3.13t): there its newest version
# that installs without a compiler is taken, and that is said. Nothing is written to this tree. A free-threaded
# interpreter runs with PYTHON_GIL=0, so that no extension module can quietly bring the lock back.
#
# Every wanted interpreter that was not found is said and counted. Exit status: 0 when none failed, also when some or
# all were not found; 1 when tests failed under one, or it could not be set up; 2 when there is nothing to run.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=(3.12 3.13 3.14 3.13t 3.14t)
oldest=3.11
shopt -s nullglob
tests=(tests/unit/guard/ tests/unit/health/ tests/property/test_guard_algorithms.py tests/property/test_guard_circuit_breaker.py)
shopt -u nullglob
# These need httpx and web frameworks as a whole.
left_out=(--ignore=tests/unit/health/test_leaving.py --ignore=tests/unit/health/test_probes_over_http.py)
existing=()
for path in "${tests[@]}"; do
    if [[ -n $(find "$path" -name 'test_*.py' -print -quit 2>/dev/null) ]]; then existing+=("$path"); fi
done
if ((${#existing[@]} == 0)); then
    echo "pythons: none of the library's tests is there: ${tests[*]}" >&2
    exit 2
fi

# What an interpreter is, like 3.13 or 3.13t; fails when it does not run at all (a pyenv shim without its version, say).
kind() {
    "$1" -I -c '
import sys, sysconfig
free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
print("{}.{}{}".format(sys.version_info[0], sys.version_info[1], "t" if free_threaded else ""))' 2>/dev/null
}

kinds=() pythons=() skipped=()
named=()
IFS=: read -r -a named <<<"${BASCULE_PYTHONS:-}"
for python in "${named[@]}"; do
    [[ -n $python ]] || continue
    if ! is=$(kind "$python"); then
        skipped+=("$python of BASCULE_PYTHONS is not there, or does not run")
    elif [[ $(printf '%s\n' "$oldest" "${is%t}" | sort --version-sort | head -n 1) != "$oldest" ]]; then
        skipped+=("$python of BASCULE_PYTHONS is $is, older than $oldest")
    else
        kinds+=("$is")
        pythons+=("$python")
    fi
done
for want in "${wanted[@]}"; do
    [[ " ${kinds[*]} " != *" $want "* ]] || continue
    why="not installed"
    while read -r python; do
        if is=$(kind "$python") && [[ $is == "$want" ]]; then
            kinds+=("$want")
            pythons+=("$python")
            continue 2
        fi
        if [[ -n $is ]]; then why="not installed ($python is $is)"; else why="not installed ($python does not run)"; fi
    done < <(type -aP "python$want" || true)
    skipped+=("$want $why")
done

work=$(mktemp -d "${TMPDIR:-/tmp}/pythons.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
grep -E '^[A-Za-z0-9]' requirements/dev.txt | sed -E 's/ *\\$//' >"$work/pins.txt"
grep -v '^hypothesis==' "$work/pins.txt" >"$work/pins-but-hypothesis.txt"

# Install what the tests need for the interpreter $1, within the pins in the file $2.
install() {
    "$1" -m pip install --quiet --disable-pip-version-check --only-binary :all: --constraint "$2" \
        pytest pytest-timeout hypothesis
}

# Run the tests under the interpreter $1, of kind $2, in the directory $3.
run() {
    local python=$3/venv/bin/python gil=()
    if [[ $2 == *t ]]; then gil=(PYTHON_GIL=0); fi
    "$1" -m venv "$3/venv" || return
    if ! install "$python" "$work/pins.txt" 2>"$3/pip.log"; then
        install "$python" "$work/pins-but-hypothesis.txt" || return
        echo "the pinned hypothesis could not be installed, this one could:" \
            "$("$python" -m pip list --format freeze 2>/dev/null | grep '^hypothesis==')"
    fi
    env "${gil[@]}" PYTHONPATH=src:. PYTHONPYCACHEPREFIX="$3/pycache" HYPOTHESIS_STORAGE_DIRECTORY="$3/hypothesis" \
        "$python" -m pytest -p no:cacheprovider "${left_out[@]}" "${options[@]}" "${existing[@]}"
}

options=("$@")
outcomes=() failed=0
for number in "${!pythons[@]}"; do
    python=${pythons[number]}
    echo "== ${kinds[number]}: $python"
    mkdir "$work/$number"
    if run "$python" "${kinds[number]}" "$work/$number"; then
        outcomes+=("passed: ${kinds[number]} $python")
    else
        outcomes+=("FAILED: ${kinds[number]} $python")
        failed=$((failed + 1))
    fi
    rm -rf "${work:?}/$number"
done

echo "== the library under other interpreters: ${existing[*]}"
for line in "${outcomes[@]}"; do echo "$line"; done
for line in "${skipped[@]}"; do echo "SKIPPED: $line"; done
echo "pythons: $((${#pythons[@]} - failed)) interpreters passed, $failed failed, ${#skipped[@]} SKIPPED"
((failed == 0))
