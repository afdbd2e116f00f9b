# What there is to do; `make help` lists it. Everything happens in .venv and target, nothing outside this directory.

PYTHON ?= python3
ARTIFACT_DIR ?= artifacts/mnist
EPOCHS ?= 2
# Options of `mnistburn bench` in the comparison.
COMPARE ?= --threads 1,2 --batch-size 16,64,256,1024
# Options of the time to accuracy.
ACCURACY ?=
# Options of the proofs.
PROVE ?=
# What is fuzzed, and for how many seconds each.
FUZZ_TARGETS ?=
FUZZ_SECONDS ?= 60
# What `make sanitize` looks for: address or thread.
SANITIZER ?= address
# What the extension is built with: `python` for the CPU alone, which takes a third of the time.
FEATURES ?= python
ALL_FEATURES := python,wgpu,cuda
# What `make wheel` and `make portable-wheel` build for, as python3.14t; that of .venv where it is empty.
INTERPRETER ?=
WHEEL_FOR = $(if $(INTERPRETER),--interpreter $(INTERPRETER))
BIN := .venv/bin
# Cargo picks the toolchain that is installed; warnings of rustdoc are errors as those of clippy are.
export RUSTDOCFLAGS := -D warnings
# maturin builds for this environment.
export VIRTUAL_ENV := $(CURDIR)/.venv

.PHONY: help train check setup develop fmt lint docs stubs stub-check test-rust test-python fuzz sanitize prove instructions bench formats compare accuracy wheel portable-wheel sdist reproducible clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

train: develop ## build for the CPU and train on MNIST for EPOCHS epochs (2), into ARTIFACT_DIR
	$(BIN)/mnistburn train $(ARTIFACT_DIR) --num-epochs $(EPOCHS)

check: FEATURES := $(ALL_FEATURES)
check: setup .venv/cuda lint docs test-rust develop stub-check test-python ## everything that has to pass, cheapest first

setup: .venv/installed

# The tools and the dependencies, not the package itself.
.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mnistburn needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], *p["optional-dependencies"]["dev"], *p["optional-dependencies"]["docs"], sep="\n")' > .venv/requirements.txt
	$(BIN)/python -m pip install --quiet --requirement .venv/requirements.txt
	touch $@

# NVIDIA's compiler, 96 MB, for the tests of what finds it.
.venv/cuda: .venv/installed
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["optional-dependencies"]["cuda"], sep="\n")' > .venv/cuda-requirements.txt
	$(BIN)/python -m pip install --quiet --requirement .venv/cuda-requirements.txt
	touch $@

develop: setup ## build the extension with FEATURES (python) and optimisation, and install it into .venv
	$(BIN)/maturin develop --release --locked --features $(FEATURES)

fmt: setup ## format all code
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint: setup ## formatting, clippy, rustdoc, ruff and mypy, warnings as errors
	@# Crates for other systems too: a test reads their licences, without a network.
	cargo fetch --locked --quiet
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	@# The core knows nothing of Python.
	! grep -rln pyo3 src --include='*.rs' | grep -v '^src/python/'
	cargo clippy --all-targets --features python --locked -- -D warnings
	cargo clippy --all-targets --features $(ALL_FEATURES) --locked -- -D warnings
	cargo doc --no-deps --locked --quiet

docs: export NO_MKDOCS_2_WARNING := 1
docs: setup ## the documentation as a site in target/site, warnings as errors; no network is used
	$(BIN)/mkdocs build

stubs: setup ## write the stub of the extension anew
	$(BIN)/maturin generate-stubs --profile release --features $(FEATURES) --quiet --out target/stubs
	$(BIN)/ruff format --quiet --stdin-filename _native.pyi < target/stubs/mnistburn/_native.pyi > python/mnistburn/_native.pyi

stub-check: develop ## compare the stub with the extension
	$(BIN)/maturin generate-stubs --profile release --features $(FEATURES) --quiet --out target/stubs
	$(BIN)/ruff format --quiet --stdin-filename _native.pyi < target/stubs/mnistburn/_native.pyi | diff python/mnistburn/_native.pyi -
	$(BIN)/stubtest mnistburn._native

test-rust: ## the tests of the core, without Python
	cargo test --release --locked --quiet

test-python: develop ## the tests of the package, the README and the docstrings
	$(BIN)/python -m pytest -q

fuzz: ## fuzz each of FUZZ_TARGETS (all parsers) for FUZZ_SECONDS (60), with cargo-fuzz
	$(PYTHON) fuzz/fuzz_parsers.py --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# RUSTC_BOOTSTRAP lets a stable Rust have sanitizers. ThreadSanitizer has to see the locks of the standard library, so that is
# compiled too, from the component rust-src; AddressSanitizer does without.
sanitize: export RUSTC_BOOTSTRAP := 1
sanitize: export RUSTFLAGS := -Zsanitizer=$(SANITIZER)
sanitize: ## the Rust tests, kernels included, with AddressSanitizer, or with SANITIZER=thread
	cargo test --release --locked --tests $(if $(filter thread,$(SANITIZER)),-Zbuild-std) --target-dir target/$(SANITIZER) --target $$(rustc -vV | sed -n 's/^host: //p')

prove: develop ## try what docs/reliability.md promises, as often as it says; PROVE has options, as in --only kill --share 0.1
	PYTHONPATH=tests $(BIN)/python -m proofs $(PROVE)

# Needs Debian's valgrind.
instructions: develop ## count the instructions of a training step, in a minute; the limit is in tests/footprint.toml
	PYTHONPATH=tests $(BIN)/python benches/instructions.py

bench: ## the benchmarks
	cargo bench --locked --bench augmentation --bench kernels --bench training

formats: develop ## what the formats of model files cost, see docs/records.md; FILES are loaded too
	$(BIN)/python benches/formats.py $(FILES)

# The peers, several GB, in an environment of their own; the package is that of `develop`.
.venv/compare/installed: benches/compare/requirements.txt .venv/installed
	$(PYTHON) -m venv .venv/compare
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], sep="\n")' > .venv/compare/requirements.txt
	.venv/compare/bin/python -m pip install --quiet --requirement .venv/compare/requirements.txt --requirement $<
	touch $@

compare: develop .venv/compare/installed ## compare with PyTorch, JAX and onnxruntime, see benches/compare
	mkdir -p target
	PYTHONPATH=python .venv/compare/bin/python -m mnistburn bench --json target/compare.json $(COMPARE)
	PYTHONPATH=python .venv/compare/bin/python benches/compare/whole.py

accuracy: develop .venv/compare/installed ## time to accuracy beside PyTorch, see benches/accuracy
	$(BIN)/python benches/accuracy/time_to_accuracy.py --peer-python .venv/compare/bin/python $(ACCURACY)

# The linker for a C library older than this machine's, 100 MB, and what checks the wheel.
.venv/wheel: .venv/installed
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); print(*p["dependency-groups"]["wheel"], sep="\n")' > .venv/wheel-requirements.txt
	$(BIN)/python -m pip install --quiet --requirement .venv/wheel-requirements.txt
	touch $@

# Wheels name no folder of this machine, and hold the list of their components.
wheel: setup ## the wheel, with all back ends, in dist
	$(BIN)/python distribution/wheel.py --features $(ALL_FEATURES) --out dist $(WHEEL_FOR)

# For every glibc since 2.28, of 2018; maturin finds zig in the environment.
portable-wheel: export PATH := $(CURDIR)/$(BIN):$(PATH)
portable-wheel: setup .venv/wheel ## the wheel for older Linux too, with FEATURES (python), linked by zig, in dist/portable
	rm -f dist/portable/*.whl
	$(BIN)/python distribution/wheel.py --features $(FEATURES) --out dist/portable --zig --compatibility manylinux_2_28 $(WHEEL_FOR)
	$(BIN)/auditwheel show dist/portable/*.whl

sdist: setup ## the sources for pip, in dist
	$(BIN)/maturin sdist --out dist

reproducible: setup ## build the last commit twice, with FEATURES (python), and compare wheels and sources, byte by byte
	$(BIN)/python distribution/reproducible.py --features $(FEATURES)

clean: ## remove what was built
	rm -rf .venv dist target
