# `make demo` and `make test` are all a newcomer needs; each makes its own .venv.
# PYTHON=python3.12 make test    chooses the interpreter; VENV=dir the environment's folder.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Small nets on shared cores run faster and far steadier with one thread (docs/performance.md).
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help demo test check format bench clean
help:
	@echo "make demo    train a plain and a fair net on Adult, write demo/report.html"
	@echo "make test    run all tests"
	@echo "make check   ruff (lint and format) and mypy"
	@echo "make bench   run the benchmarks, write benchmarks/results/*.json"

$(STAMP): setup.py scripts/venv.sh
	@VENV="$(VENV)" PYTHON="$(PYTHON)" sh scripts/venv.sh
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/mxfair train --data adult --group sex --criterion equalized_odds --epochs 30 --out demo --overwrite

test: $(STAMP)
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache
