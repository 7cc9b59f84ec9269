# `make demo` and `make test` set themselves up in .venv and need nothing but Python 3.10 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BUILD := build
DEMO_ENDPOINT ?= tcp://127.0.0.1:5557

.PHONY: demo test lint bench clean

demo: $(VENV)/ready $(BUILD)/demo-bundle/manifest.json $(BUILD)/demo.mp4
	@echo "Playing $(BUILD)/demo.mp4 live. The bundle is untrained: its classes are random, and no emotions."
	$(BIN)/emostream listen $(DEMO_ENDPOINT) --until-end --timeout 60 & \
	$(BIN)/emostream --input $(BUILD)/demo.mp4 --bundle $(BUILD)/demo-bundle --publish $(DEMO_ENDPOINT) \
	    || { kill $$!; exit 1; }; wait $$!

test: $(VENV)/ready
	$(BIN)/pytest $(PYTEST_OPTIONS)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks.latency --preset compact
	$(BIN)/python -m benchmarks.latency --preset paper
	$(BIN)/python -m benchmarks.frontend

clean:
	rm -rf $(VENV) $(BUILD)

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[train,dev]"
	touch $@

$(BUILD)/demo-bundle/manifest.json: $(VENV)/ready
	mkdir -p $(BUILD)
	rm -rf $(BUILD)/demo-bundle
	$(BIN)/emostream-train init --preset compact --labels class-1,class-2,class-3,class-4,class-5,class-6 $(BUILD)/demo-bundle

$(BUILD)/demo.mp4: $(VENV)/ready
	mkdir -p $(BUILD)
	$(BIN)/emostream-train act $@
