# The two commands of a newcomer: `make demo` and `make test`. Everything else is in `invoke -l`.
# `make setup PYTHON=…` chooses the project's Python, also for later commands.
PYTHON ?= $(shell test -x .venv/bin/python && echo .venv/bin/python || echo python3)

.DEFAULT_GOAL := help
.PHONY: help setup check test docs demo clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

setup:  ## install what the project needs, into this folder only
	@$(PYTHON) -m ops.setup

check: setup  ## the fast loop: linters, types, unit tests of the rooms, some fuzzing
	@.venv/bin/tox -e lint,unit -- --ignore=tests/unit/functions

test: setup  ## every check and test, as CI runs them
	@.venv/bin/tox run-parallel --parallel 2 --parallel-no-spinner

docs:  ## a website of the documents, in .local/docs; a dead link is an error
	@$(PYTHON) -m ops.setup docs
	@.venv-docs/bin/sphinx-build -q -n -W --keep-going -c docs -b html . .local/docs
	@echo "The documents: .local/docs/index.html"

demo: setup  ## a recording's whole way, on this machine
	@.venv/bin/invoke local.demo

clean:  ## remove all that was installed or built here
	@test ! -f .local/stack.json || .venv/bin/invoke local.down
	rm -rf .coverage .coverage.* .venv .venv-cloud .venv-docs .tox .local dist node_modules cdk.out
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
