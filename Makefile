# Everything happens in .venv; nothing is installed elsewhere.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Containers often forbid bytecode; then each of a pipeline's processes compiles two thousand modules again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install test test-fast lint types arrows unit docs demo peers ablations claims acceptance bench mutation lock clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $(STAMP)

test: lint types arrows unit

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

arrows: install
	$(BIN)/lint-imports --no-cache

# One process per core; the tests of a file stay together, since they share what is expensive to make.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

unit: install
	$(BIN)/python -m pytest $(PARALLEL) --durations=15

test-fast: install
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

# The documentation as a site below site/: pages, API reference, links checked.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

demo: install
	PATH="$(CURDIR)/$(BIN):$$PATH" gmbench workers -- dvc repro
	@$(BIN)/gmbench table --records results/synth/scores --no-intervals
	@echo "page: reports/index.html, table: reports/table-synth.md, records: results/synth/scores/records.parquet"
	$(BIN)/python -m tools.demo_numbers

# All four systems beside each other, on the demo's clips and on people whom none has met. Rewrites params.yaml.
peers: demo
	$(BIN)/gmbench profile use peers --force
	PATH="$(CURDIR)/$(BIN):$$PATH" gmbench workers -- dvc repro
	@$(BIN)/gmbench table --records results/synth/scores --no-intervals
	@$(BIN)/gmbench table --records results/strangers/scores --no-intervals
	@echo "page: reports/index.html, tables: reports/table-synth.md, reports/table-strangers.md"

ablations: demo
	$(BIN)/gmbench ablate --method gmtalker --seeds 5
	$(BIN)/python -m gmbench.pipelines.report

# The claims of the systems' papers over three trainings each, in one table, ablations/claims.md: hours. What cannot be
# trained here (DICE-Talk's networks come with gmbench at one seed) stands there without a value, and why.
claims: peers
	for system in gmtalker flowvqtalker edtalk dicetalk; do $(BIN)/gmbench ablate --method $$system --seeds 3 || exit; done
	$(BIN)/python -m gmbench.pipelines.report
	@cat ablations/claims.md

# What a system must reach, on the demo's corpus: trains it at three seeds and prints the table (an hour).
# ARGS are the command's own: make acceptance METHOD=edtalk ARGS="--seeds 1 --ablations"; ARGS=--help lists them.
METHOD := flowvqtalker
ARGS :=
acceptance: install
	$(BIN)/python -m tests.acceptance.$(METHOD) $(ARGS)

bench: install
	$(BIN)/python -m benchmarks

# Mistakes that the tests must notice, then mutmut's score of the modules behind the tables; both in copies.
mutation: install
	nice -n 15 $(BIN)/python -m tests.mutations.run
	nice -n 15 $(BIN)/python -m tests.mutations.score

lock:
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv site demo-out gmbench-results gmbench-report build *.egg-info data work models results reports ablations .gmbench dvc_plots
