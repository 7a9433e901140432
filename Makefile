# `make demo` and `make test` are all a newcomer needs; each makes its own .venv.
# PYTHON=python3.12 make test    chooses the interpreter; VENV=dir the environment's folder.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
# Small nets on shared cores run faster and far steadier with one thread (docs/performance.md).
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Processes that share the tests; ARGS goes to pytest, as in make test ARGS="tests/metric -k auc"
WORKERS ?= 2

.PHONY: help demo test check format docs linkcheck bench bench-env clean
help:
	@echo "make demo    train a plain and a fair net on Adult, write demo/report.html"
	@echo "make test    run all tests"
	@echo "make check   ruff (lint and format) and mypy"
	@echo "make docs    write the HTML site to docs/_build/html; make linkcheck asks the network whether its links to elsewhere work"
	@echo "make bench   run the benchmarks, write benchmarks/results/*.json; make bench-env first adds torch to compare with"

$(STAMP): setup.py scripts/venv.sh
	@VENV="$(VENV)" PYTHON="$(PYTHON)" sh scripts/venv.sh
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/mxfair train --data adult --group sex --criterion equalized_odds --epochs 30 --out demo --overwrite

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site needs more packages than the tests: they are installed when it is first built.
$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $(DOCS_STAMP)

docs: $(DOCS_STAMP)
	$(BIN)/sphinx-build -b html -n -W --keep-going -q -j $(WORKERS) docs docs/_build/html
	@echo "docs/_build/html/index.html"

linkcheck: $(DOCS_STAMP)
	$(BIN)/sphinx-build -b linkcheck -q docs docs/_build/linkcheck

# What only benchmarks compare with, in an environment of its own: torch is no dependency of mxfair.
bench-env: .venv-bench/.installed
.venv-bench/.installed:
	$(or $(PYTHON),python3) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0" numpy
	@touch $@

bench: $(STAMP)
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf $(VENV) .venv-bench demo build docs/_build docs/api docs/notebooks *.egg-info .pytest_cache .mypy_cache .ruff_cache
