# make run      Doocot in the foreground, with its embedded default
# make test     everything is tested (also against Debian's Dovecot)      make check   format, types, rules: under a minute
# make install  .venv with the program                                    make bench   Doocot beside Dovecot, docs/benchmarks.md
# make fuzz     fuzz targets for FUZZ_SECONDS (600), with coverage         make docs    write the derived pages anew
# make clean    remove what make made                                      make bench-large   a mailbox of a million messages

# A Python that every user can run comes first: workers run as the mail user.
PYTHON ?= $(shell for p in /usr/bin/python3 python3; do \
    $$p -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STATE ?=
JOBS ?= 2
FUZZ_SECONDS ?= 600
BENCH ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 5
TEST_PACKAGES := dovecot-imapd dovecot-lmtpd isync offlineimap3 mutt curl swaks getmail6 fetchmail
BENCH_PACKAGES := dovecot-imapd dovecot-lmtpd

.DEFAULT_GOAL := help
.PHONY: help run install dev check test bench bench-large fuzz docs clean packages

help:
	@sed -n '1,5s/^# //p' Makefile

run: install
	$(BIN)/doocot serve $(if $(STATE),--state $(STATE))

install: $(VENV)/installed

dev: $(VENV)/installed-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Doocot needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/packages python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $(VENV)/installed $@

# A test that needs a package which cannot be installed is skipped, and says so.
packages:
	@.ci/packages $(TEST_PACKAGES) || echo 'make: the tests that need these packages will be skipped'

check: dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest tests/layers tests/docs

test: dev packages
	$(BIN)/pytest -n $(JOBS)

bench: dev
	@.ci/packages $(BENCH_PACKAGES)
	$(BIN)/python -m bench.run $(BENCH)

bench-large: dev
	@.ci/packages $(BENCH_PACKAGES)
	$(BIN)/python -m bench.large $(BENCH)

fuzz: dev
	@set -e; count=$$(ls tests/fuzz/fuzz_*.py | wc -l); $(BIN)/coverage erase; \
	for target in tests/fuzz/fuzz_*.py; do \
	    echo "== $$target, $$(($(FUZZ_SECONDS) / count)) s"; \
	    FUZZ_SECONDS=$$(($(FUZZ_SECONDS) / count)) PYTHONPATH=. $(BIN)/coverage run --parallel-mode --source=doocot $$target; \
	done; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage report --skip-empty --sort=cover

# Settings, events, commands and protocols as the declared tables have them.
docs: dev
	$(BIN)/python -m tests.docs.tables

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
