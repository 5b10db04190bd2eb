# kilohour: `make backtest` shows it, `make test` checks everything. Both build .venv when it is missing.
# Debian's own python3 is built with a profile: what runs in it takes a fifth less than in one built without, as version managers build it.
# Where it is too old, or cannot make an environment, the first one on the path.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# uv takes a third of pip's processor time for the same eighty packages; where it does not reach the index that pip is set to, pip installs.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
UV := $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --constraint constraints.txt
# What Python and pytest compile is kept: without it each of two hundred processes compiles every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install backtest paper test quick bench soak clean

help:
	@echo "make backtest   run the calendar spread on the embedded market and write its report"
	@echo "make paper      run it on a sandbox exchange on this machine, over sockets, and write the same report"
	@echo "make test       every check: ruff, mypy, import-linter, pytest"
	@echo "make quick      pytest without the slow tests"
	@echo "make bench      speed and memory, beside peers where they install"
	@echo "make soak       long studies"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) uv && $(UV) --editable '.[test]' || { echo "uv could not install this; pip does"; $(PIP) --no-compile --editable '.[test]'; }
	@touch $(STAMP)

install: $(STAMP)

backtest: $(STAMP)
	$(BIN)/kilohour backtest calendar-spread --out runs/calendar-spread

paper: $(STAMP)
	$(BIN)/kilohour paper calendar-spread --from 2026-01-02 --to 2026-06-30 --set window=20 --set entry=1

# One core types and lints; the other first collects without running: that leaves every module's and test's bytecode behind, which each
# worker would otherwise compile for itself. No more workers than cores: they would push one another out of the caches, at a fifth more time.
test: $(STAMP)
	$(BIN)/ruff check .
	@{ $(BIN)/lint-imports && $(BIN)/mypy && NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -p no:cacheprovider tests/kernels; } > $(VENV)/beside.out 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest --collect-only -qq > $(VENV)/collected.out 2>&1; \
	$(BIN)/python -m pytest --numprocesses $$(nproc) --dist loadfile --no-loadscope-reorder; status=$$?; \
	wait $$beside || status=1; \
	echo "imports, types, and the kernels without a compiler:"; cat $(VENV)/beside.out; exit $$status

quick: $(STAMP)
	$(BIN)/python -m pytest -m "not slow"

bench: $(STAMP)
	$(PIP) --editable '.[bench]' || echo "some peers do not install here"
	$(BIN)/python -m kilohour.backtests.bench --json bench.json

# The tests' own types take as long as the package's, and a test that is wrong about a name fails when it runs.
soak: $(STAMP)
	$(BIN)/mypy kilohour tests
	$(BIN)/python -m pytest -m soak

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
