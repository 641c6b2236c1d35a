# Every target does its own set-up in .venv; nothing else is needed than Python >= 3.11 (with venv), make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-postgresql chaos check bench accuracy fuzz

install: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "huiyin needs Python 3.11 or newer: install python3 (or run: make PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv module is missing: install it (on Debian: apt install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing huiyin into $(VENV) (about a minute) ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock \
		|| { echo "The packages could not be installed: a package index must be reachable (pip config list shows which one is used)"; exit 1; }
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	@$(BIN)/huiyin demo

test: install
	@$(BIN)/python -m pytest -n 2

# All conversations on PostgreSQL and Redis, of which `make test` runs those that touch the storage's seams.
test-postgresql: install
	@HUIYIN_TESTS_ON=postgresql $(BIN)/python -m pytest -n 2 tests/conversations

# make chaos SEED=7 KILLS=20 MINUTES=5 BACKEND=postgres WORKERS=2
chaos: install
	@$(BIN)/python -m tests.chaos $(foreach name,SEED KILLS MINUTES BACKEND WORKERS,$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) $($(name))))

check: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.audit
	@echo "check: format, lint, types and import rules are in order, and no secret is in the files"

bench: install
	@$(BIN)/python -m tests.bench

accuracy: install
	@$(BIN)/python -m tests.accuracy

# Some seconds for each parser at the door; what is found becomes a file under tests/hostile/corpus.
FUZZ_SECONDS ?= 20
fuzz: install
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install -q --disable-pip-version-check "atheris>=3" \
		|| { echo "atheris could not be installed: it comes from the package index, for Linux only"; exit 1; }
	@$(BIN)/python -m tests.hostile.fuzz --seconds $(FUZZ_SECONDS)
