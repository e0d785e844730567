# make repro   installs what is locked, then runs the pipeline
# make test    checks and tests
# make ui      the MLflow pages of what has run
# make serve   the packaged model over HTTP
# make dashboard RECIPE=cnn   the study of a recipe in optuna-dashboard
# make docs    the pages of docs/ as a site in site/, with a search box
# make lock    resolves the dependencies again
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS = 1
export NO_ALBUMENTATIONS_UPDATE = 1

TRAINING = tests/augmentation tests/losses tests/models tests/search tests/tasks tests/training tests/ensembling tests/preprocessing tests/serving tests/soups tests/tracking

.PHONY: repro test test-training test-others check lock ui serve dashboard docs install

repro: install
	python -m pipeline check
	dvc repro

test: install # two at once, as a core each would idle while stages start; the longest first
	$(MAKE) --jobs 2 --output-sync=target test-others test-training check

test-training: install
	pytest $(TRAINING)

test-others: install
	pytest tests $(TRAINING:%=--ignore=%)

check: install
	ruff format --check .
	ruff check .
	mypy
	lint-imports

ui: install
	@python -m pipeline ui

serve: install
	@python -m pipeline serve

dashboard: install
	@python -m pipeline dashboard $(RECIPE)

docs: install
	@zensical build --strict

lock: install
	uv pip compile --universal --upgrade --extra dev --extra dashboard --extra postgresql --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock

install: .venv/installed .venv/bin/convoy

.venv/bin/convoy: .venv/installed Makefile # the code of the repository one stands in
	printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m pipeline "$$@"\n' > $@
	chmod +x $@

.venv/installed: requirements.lock
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name one: make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements.lock
	touch .venv/installed
