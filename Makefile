# `make demo` and `make test` set themselves up in .venv and need nothing but Python 3.10 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
BUILD := build
DEMO_ENDPOINT ?= tcp://127.0.0.1:5557

.PHONY: demo test lint docs schema bench accuracy clean

demo: $(VENV)/base emostream/engines $(BUILD)/demo.mp4
	@echo "Playing $(BUILD)/demo.mp4 live: a drawn person says something with joy, anger, fear (unseen) and sadness."
	$(BIN)/emostream listen $(DEMO_ENDPOINT) --until-end --timeout 60 & \
	$(BIN)/emostream --input $(BUILD)/demo.mp4 --publish $(DEMO_ENDPOINT) || { kill $$!; exit 1; }; wait $$!

test: $(VENV)/ready emostream/engines
	$(BIN)/pytest --numprocesses 2 --dist loadgroup $(PYTEST_OPTIONS)

lint: $(VENV)/ready emostream/engines
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples docs/building
	$(BIN)/lint-imports

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The JSON Schema of the events, from their classes.
schema: $(VENV)/base emostream/engines
	mkdir -p $(BUILD)
	$(BIN)/python -c "import json; from emostream.streamer.protocol.events import json_schema; print(json.dumps(json_schema(), indent=2))" > $(BUILD)/schema.json
	mv $(BUILD)/schema.json streamer/protocol/schema/event.v1.schema.json

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks.latency --preset compact
	$(BIN)/python -m benchmarks.latency --preset paper
	$(BIN)/python -m benchmarks.frontend
	$(BIN)/python -m benchmarks.fp16
	$(BIN)/python -m benchmarks.capacity --preset compact
	$(BIN)/python -m benchmarks.capacity --preset paper

accuracy: $(VENV)/ready
	$(BIN)/python -m benchmarks.accuracy

clean:
	rm -rf $(VENV) $(BUILD)

# What running emostream needs.
$(VENV)/base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

# The links that an editable install makes into emostream/ (hatch_build.py), where `git clean` has removed them.
emostream/engines: | $(VENV)/base
	$(BIN)/pip install --quiet --no-deps --editable .

# What training and testing need besides; torch first, or another package takes a larger one. The stubs ask for
# TensorRT itself, which comes from NVIDIA's index alone.
$(VENV)/ready: $(VENV)/base
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[train,dev,docs,tensorrt,int8]"
	$(BIN)/pip install --quiet --no-deps tensorrt-stubs
	$(BIN)/python .ci/mend_stubs.py
	touch $@

# What building the documentation needs.
$(VENV)/docs: $(VENV)/base
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

$(BUILD)/demo.mp4: $(VENV)/base | emostream/engines
	mkdir -p $(BUILD)
	$(BIN)/emostream-train act $@
