# Everything that a fresh machine needs is set up by these targets: Python >= 3.11 with venv is all that must be there.
#
#   make drill   set up, then break a real two-region system and judge it
#   make test    set up, then run every test
#   make help    the other targets

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTHONS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bascule
UV := $(shell command -v uv 2>/dev/null)

ifeq ($(UV),)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
else
INSTALL = $(UV) pip install --quiet --python $(BIN)/python
endif

.DEFAULT_GOAL := help
.PHONY: help drill drill-all test test-pythons pythons lint format lock clean deps

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("bascule needs Python 3.11 or newer; set PYTHON=/path/to/python3") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements/run.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

drill: $(VENV)/run.stamp  ## Break the example system for real, and judge it
	$(BIN)/bascule drill examples/taskmanagerpro/bascule.yaml

drill-all: $(VENV)/run.stamp  ## Every experiment, one after the other
	$(BIN)/bascule drill examples/taskmanagerpro/bascule.yaml --all

# Each test is in one of three parts, by its marks: those that only reckon, in as many processes as there are processors;
# those with real servers, which mostly wait, two at a time; and those that look at the whole machine or at when exactly
# things happen, one by one. All parts are run, and one that fails, or has no tests, fails it all.
test: $(VENV)/dev.stamp  ## Run every test, real servers and real failures included
	@failed=0; part() { $(BIN)/python -m pytest "$$@" || { failed=$$?; test $$failed -ne 2 || exit 2; }; }; \
	part -m 'not real and not alone' --numprocesses "$$(nproc)" --dist worksteal; \
	part -m 'real and not alone' --numprocesses 2 --dist loadfile --no-loadscope-reorder; \
	part -m 'alone'; \
	exit $$failed

test-pythons: export BASCULE_PYTHONS ?= $(PYTHONS)/python3.13/bin/python3.13:$(PYTHONS)/python3.13t/bin/python3.13t
test-pythons:  ## The library's tests under every other Python that is found (BASCULE_PYTHONS=path:path, or by `make pythons`)
	tests/pythons.sh

pythons: $(PYTHONS)/python3.13/bin/python3.13 $(PYTHONS)/python3.13t/bin/python3.13t  ## Build CPython 3.13, with and without the GIL

$(PYTHONS)/python3.13/bin/python3.13:
	tests/build-python.sh $(PYTHONS)/python3.13

$(PYTHONS)/python3.13t/bin/python3.13t:
	tests/build-python.sh --disable-gil $(PYTHONS)/python3.13t

lint: $(VENV)/dev.stamp  ## ruff, mypy, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp  ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

deps:  ## Optional Debian packages: a browser, servers that tests start, what `make pythons` builds with (needs root)
	apt-get update
	apt-get install --yes --no-install-recommends chromium
	apt-get install --yes --no-install-recommends keepalived nftables bird2 bind9 pgbouncer fence-agents systemd openssh-server openssl
	apt-get install --yes --no-install-recommends build-essential debian-archive-keyring pkg-config xz-utils libbz2-dev \
		libffi-dev liblzma-dev libncurses-dev libreadline-dev libsqlite3-dev libssl-dev uuid-dev zlib1g-dev

lock:  ## Pin the newest versions that pyproject.toml admits (needs uv)
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra all --group build pyproject.toml -o requirements/run.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra all --group dev pyproject.toml -o requirements/dev.txt

clean:  ## Remove what these targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
