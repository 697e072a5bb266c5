# The commands that people run. `make help` tells what each does.

PYTHON ?= python3
ENVIRONMENT ?= sandbox
export ENVIRONMENT

SETUP := $(PYTHON) -m setup
MOOR := .venv/bin/moor
PYTHON_SOURCES := constructs_lib stacks sandbox setup moor benchmarks tests main.py
# Those with a shell in their first line: a name tells nothing, and text further down neither.
SHELL_SCRIPTS = $(shell git ls-files -z | xargs -0 -r awk \
  'FNR == 1 && /^\043!.*[ \/](ba|da)?sh( |$$)/ { print FILENAME } { nextfile }')

.DEFAULT_GOAL := help
.PHONY: help setup up plan down status env ssh graph synth test test-kills test-compose test-long test-fuzz bench check fmt shell clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install everything that is missing, inside this folder
	@$(SETUP)

up: setup ## Deploy both stacks (ENVIRONMENT=name, default: sandbox)
	@$(MOOR) up

down: ## Destroy both stacks, and stop the sandbox
	@if [ -d .moor ]; then $(SETUP) && $(MOOR) down; else echo 'nothing is deployed from here'; fi

plan: ## Show what `make up` would change
	@$(SETUP)
	@$(MOOR) plan

status: ## Tell what is deployed and what runs
	@$(SETUP) --for synth
	@$(MOOR) status

env: ## Print the variables that point docker to the machine
	@$(MOOR) env

ssh: ## Open a shell on the machine
	@$(MOOR) ssh

graph: ## Draw who reaches what, the services and their data, as SVG and PNG
	@$(SETUP) --for graph
	@$(MOOR) graph

synth: ## Write the Terraform configuration of both stacks; needs no Docker and no network
	@$(SETUP) --for synth
	@$(MOOR) synth

test: ## Run the tests; the last ones deploy to the sandbox
	@$(SETUP) --for test
	@.venv/bin/python -m pytest --numprocesses 2 --dist loadfile tests/unit tests/stacks
	@.venv/bin/python -m pytest --numprocesses 2 --dist loadfile \
	  -m 'not alone and not kills and not compose and not long' tests/sandbox
	@.venv/bin/python -m pytest -m alone tests/sandbox

test-kills: ## Kill each process of a deployment in each of its phases (ten minutes)
	@$(SETUP) --for test
	@.venv/bin/python -m pytest -m kills tests/sandbox/test_deploy.py

test-compose: ## Deploy every hosted Compose file of the corpus, and compare (an hour)
	@$(SETUP) --for test
	@.venv/bin/python -m pytest tests/sandbox/test_hosted_files.py

test-long: ## What a swarm bears, what a policy allows, what engines refuse (half an hour)
	@$(SETUP) --for test
	@.venv/bin/python -m pytest -m long tests/sandbox

test-fuzz: ## Read, synthesize and validate documents of Compose's schema (three minutes)
	@$(SETUP) --for test
	@MOOR_FUZZ_EXAMPLES=300 .venv/bin/python -m pytest tests/stacks/test_compose_fuzz.py

bench: ## Measure synthesis and deployment; writes docs/performance.md (ten minutes)
	@$(SETUP) --for bench
	@.venv/bin/python -m benchmarks

check: ## Lint, formatting, types, imports, shell scripts, unsafe settings; changes nothing
	@$(SETUP) --for check
	.venv/bin/ruff check $(PYTHON_SOURCES)
	.venv/bin/ruff format --check $(PYTHON_SOURCES)
	.venv/bin/mypy $(PYTHON_SOURCES)
	.venv/bin/lint-imports --no-logo
	.venv/bin/shellcheck $(SHELL_SCRIPTS)
	.venv/bin/python tests/configuration_check.py

fmt: ## Format the Python files, and mend what ruff can mend
	@$(SETUP) --for check
	.venv/bin/ruff check --fix $(PYTHON_SOURCES)
	.venv/bin/ruff format $(PYTHON_SOURCES)

shell: ## A shell in which cdktf, python and the other tools are the project's
	@$(SETUP)
	@PIPENV_VENV_IN_PROJECT=1 PIPENV_IGNORE_VIRTUALENVS=1 .tools/pipenv/bin/pipenv shell

clean: ## Delete what is made again; keeps .moor, which holds keys and states
	@if [ -e .tools/engine/engine.json ] && pgrep -f '$(CURDIR)/[.]tools/engine' >/dev/null; then \
		echo 'error: the sandbox runs, and its engine is in .tools; run make down first' >&2; exit 1; fi
	rm -rf .venv .tools cdktf.out .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './.moor/*' -prune -exec rm -rf {} +
