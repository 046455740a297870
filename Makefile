VENV := .venv
BIN := $(VENV)/bin
JS_PEER := tests/peers/js
JS_INSTALLED := $(JS_PEER)/node_modules/.package-lock.json
PYTHON ?= python3
SEEDS ?= 100000
SEED ?= 1
SOAK_SECONDS ?= 1800
CARGO_FUZZ := target/tools/bin/cargo-fuzz
FUZZ_TARGETS := compact config session
FUZZ_SECONDS ?= 600

# Cargo then links as maturin does, and neither has to build the other's work again.
export PYO3_BUILD_EXTENSION_MODULE = 1
export PYO3_PYTHON = $(CURDIR)/$(BIN)/python

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-22s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: $(VENV)/installed ## Build the extension in release and install it into .venv
	$(BIN)/maturin develop --release --locked --quiet

.PHONY: demo
demo: $(VENV)/installed ## Build a release wheel, install it into .venv and stream a market
	rm -f target/wheels/dxstream-*.whl
	$(BIN)/maturin build --release --locked --quiet --interpreter $(BIN)/python --out target/wheels
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall target/wheels/dxstream-*.whl
	$(BIN)/dxstream demo

.PHONY: test
test: test-rust test-python ## Run every test

.PHONY: test-rust
test-rust: $(VENV)/installed ## Run the tests of the Rust workspace, and the seeds of its fuzz targets
	cargo test --locked --workspace
	cargo test --locked --quiet --manifest-path fuzz/Cargo.toml --target-dir target

.PHONY: test-python
test-python: build $(JS_INSTALLED) ## Run pytest, and check the types and the stubs
	$(BIN)/pytest
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest dxstream --mypy-config-file pyproject.toml

.PHONY: peers
peers: build $(JS_INSTALLED) ## Run the tests in which other clients use the exchange
	$(BIN)/pytest tests/test_sdk_client.py tests/test_js_client.py

.PHONY: loom
loom: ## Run the models of the lock-free parts
	RUSTFLAGS="--cfg dxstream_loom" cargo test --locked --release --target-dir target/loom --package dxstream --lib models

.PHONY: test-long
test-long: build ## Run the tests that are too long for every day
	cargo test --locked --release --workspace -- --ignored
	$(BIN)/pytest -m long

.PHONY: soak
soak: build ## Stream for half an hour while something goes wrong every few seconds
	PYTHONPATH=tests $(BIN)/python -m soak --seconds $(SOAK_SECONDS) --seed $(SEED)

.PHONY: simulate
simulate: ## Run the simulation with as many seeds as SEEDS says
	SEEDS=$(SEEDS) cargo test --locked --release --package dxstream --test simulation -- --nocapture

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## Fuzz each target for as many seconds as FUZZ_SECONDS says
	for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target && $(CARGO_FUZZ) run --sanitizer none $$target \
			fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

.PHONY: fuzz-short
fuzz-short: ## Run the seeds of the fuzz targets, and fuzz each for a few seconds
	cargo test --locked --quiet --manifest-path fuzz/Cargo.toml
	$(MAKE) fuzz FUZZ_SECONDS=6

.PHONY: autobahn
autobahn: $(VENV)/installed ## Run Autobahn's WebSocket cases against the client
	$(BIN)/python scripts/autobahn.py

.PHONY: lint
lint: $(VENV)/installed ## Check format, lints and documentation
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --package dxstream-python --features abi3-py311 -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: format
format: $(VENV)/installed ## Format Rust and Python
	cargo fmt --all
	$(BIN)/ruff check --select I --fix
	$(BIN)/ruff format

.PHONY: stubs
stubs: build ## Write the stub of the event types from their declarations
	$(BIN)/python scripts/stubs.py

.PHONY: bench
bench: build $(VENV)/peers ## Measure what events and tables cost, how fast they stream, and what peers do
	$(BIN)/pytest benches --benchmark-only --benchmark-columns=min,median,iqr,max,rounds
	$(BIN)/maturin build --release --locked --quiet --interpreter $(BIN)/python --out target/wheels
	$(BIN)/python -m benches.peers --out docs/performance --table README.md
	cargo run --locked --release --quiet --package dxstream-exchange --example blast_read

.PHONY: bench-core
bench-core: ## Measure the core's hot path alone, with criterion
	cargo bench --locked --package dxstream --bench hot_path

.PHONY: instructions
instructions: ## Count the instructions of the core's hot path, and compare them with the baseline
	$(PYTHON) scripts/instructions.py

.PHONY: instructions-baseline
instructions-baseline: ## Make the instructions that are counted now the baseline
	$(PYTHON) scripts/instructions.py --write

.PHONY: bench-short
bench-short: build $(VENV)/peers ## Run every measurement once with little data; wrong values fail, times do not
	$(BIN)/pytest benches --benchmark-disable --quiet
	$(BIN)/python -m benches.peers --short

$(VENV)/peers: $(VENV)/installed benches/requirements.txt
	$(BIN)/python -m pip install --quiet --requirement benches/requirements.txt
	touch $@

$(VENV)/installed: requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

$(CARGO_FUZZ):
	cargo install --quiet --locked --root target/tools --version 0.13.2 cargo-fuzz

# The tests that need the packages skip where there is no node.
$(JS_INSTALLED): $(JS_PEER)/package.json $(JS_PEER)/package-lock.json
	if command -v node > /dev/null; then cd $(JS_PEER) && npm ci --silent && touch $(notdir $(@D))/$(@F); fi
