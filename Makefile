# `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help install demo report test check docs lock resume verify view clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A run outside the checkout: make verify DIR=/data/my-run, make resume DIR=/data/my-run
DIR ?= .
ARGS ?=
STAMP := $(VENV)/.locked
CORES ?= 8
PLACE := --snakefile "$(CURDIR)/Snakefile" --directory "$(abspath $(DIR))" $(ARGS)
RUN := --cores $(CORES) --resources gpu=1 $(PLACE)
THERE := cd "$(DIR)" && PYTHONPATH="$(CURDIR)" "$(CURDIR)/$(BIN)/python" -m

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## Make .venv from the lock

$(STAMP): envs/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("liverseg needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement envs/requirements.txt
	@touch $(STAMP)

demo: install  ## From nothing to the report on a synthetic cohort
	$(BIN)/snakemake $(RUN)
	@$(MAKE) --no-print-directory report
	@echo
	@echo "Open results/report/index.html   the page: patients, scores, pictures, surfaces"
	@echo "     results/report.html         Snakemake's own report of the run"

resume: install  ## Go on after a crash: unlock, tidy up, do what is left, as the run was called
	$(BIN)/python -m workflow.liverseg.upkeep resume --directory "$(DIR)" \
	  $(if $(filter command environment,$(firstword $(origin CORES))),--cores $(CORES)) \
	  $(if $(ARGS),-- "$(CURDIR)/$(BIN)/snakemake" $(RUN))

verify: install  ## Find outputs changed by hand, and CTs and labels replaced since the run
	$(THERE) workflow.liverseg.verification

clean: install  ## Remove every result
	$(BIN)/python -m workflow.liverseg.upkeep clean --directory "$(DIR)"

report: install  ## Snakemake's own report of the last run
	$(BIN)/snakemake --cores 1 $(PLACE) --report "$(abspath $(DIR))/results/report.html"

view: install  ## A patient on a desktop: make view PATIENT=p [MODEL=m] [WAY=slices] [WHAT=ct] [PATIENTS=/data/my-cts]
	@$(THERE) workflow.scripts.view_patient --patient "$(PATIENT)" --patients "$(PATIENTS)" \
	  --model "$(MODEL)" --way "$(or $(WAY),slices)" --what "$(WHAT)" $(if $(FILE),--file "$(FILE)")

test: install  ## Every test
	$(BIN)/python -m pytest

check: install  ## Lint, formats and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy workflow/liverseg workflow/scripts
	$(BIN)/snakemake --lint

docs: install  ## Make the settings table of config/README.md from the schemas
	$(BIN)/python -m workflow.liverseg.settings_table

lock: install  ## Resolve envs/requirements.in into the lock anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header \
	  $$(sed 's/^/--no-emit-package /' envs/unlocked.txt) envs/requirements.in --no-emit-index-url --output-file envs/requirements.txt
