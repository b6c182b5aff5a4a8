# The two commands of the README, and what developers use beside them. CMake does the building; see CMakePresets.json.
# CMAKE_FLAGS go to every configuration, for example CMAKE_FLAGS=-DNWCODEC_WERROR=ON.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
RELEASE := build/release

.PHONY: help demo test test-python test-long test-sanitizers test-tsan test-aarch64 bench cards fuzz lint format \
  setup build clean

help:
	@echo "make demo             install what is missing, build, compress the demo model, show what became of it"
	@echo "make test             the same set-up and build, then all tests"
	@echo "make test-python      the Python package with PyTorch and transformers, and its examples"
	@echo "make test-long        tests that take longer: large checkpoints, kills at random moments, memory"
	@echo "make test-sanitizers  all tests that need no LibTorch, under address and undefined-behaviour sanitizers"
	@echo "make test-tsan        of those, the tests of what uses threads, under the thread sanitizer"
	@echo "make test-aarch64     the decode library's tests, cross-compiled, under qemu-user"
	@echo "make lint             line lengths, clang-format, clang-tidy on the decode library (LINT=all: on encode too)"
	@echo "make bench            kernel benchmarks beside their peers"
	@echo "make cards            every shipped codec measured again, beside its card (MODELS=... for more than the demo)"
	@echo "make fuzz             every fuzz target for 60 s (clang)"

setup:
	@scripts/setup.sh

build: setup
	@cmake --preset release $(CMAKE_FLAGS) >/dev/null
	@cmake --build --preset release -j $(JOBS)

demo: setup
	@cmake --preset release $(CMAKE_FLAGS) >/dev/null
	@cmake --build --preset release -j $(JOBS) --target nwcodec
	@scripts/demo.sh $(RELEASE)/bin/nwcodec

test: build
	@scripts/run_tests.sh $(RELEASE) -LE long

test-python: build
	@NWCODEC_PROGRAM=$(CURDIR)/$(RELEASE)/bin/nwcodec python/run_tests.sh $(CURDIR)/$(RELEASE)/python-test torch

test-long: build
	@scripts/run_tests.sh $(RELEASE) -L long

test-sanitizers: setup
	@cmake --preset asan $(CMAKE_FLAGS) >/dev/null
	@cmake --build --preset asan -j $(JOBS)
	@scripts/run_tests.sh build/asan -LE long

# The thread sanitizer of GCC 12 does not know the larger random offsets of later kernels: setarch -R has none.
test-tsan: setup
	@cmake --preset tsan $(CMAKE_FLAGS) >/dev/null
	@setarch -R cmake --build --preset tsan -j $(JOBS) --target threads_tests
	@setarch -R scripts/run_tests.sh build/tsan -L threads

test-aarch64: setup
	@scripts/setup.sh aarch64
	@scripts/build_aarch64.sh build/aarch64 $(JOBS) $(CMAKE_FLAGS)
	@scripts/run_tests.sh build/aarch64 -L decode

bench: build
	@$(RELEASE)/bin/entropy_bench
	@$(RELEASE)/bin/synthesis_bench

cards: build
	@scripts/cards.sh $(RELEASE)/bin/nwcodec $(MODELS)

fuzz: setup
	@scripts/setup.sh fuzz
	@cmake --preset fuzz $(CMAKE_FLAGS) >/dev/null
	@cmake --build --preset fuzz -j $(JOBS) --target fuzzers
	@scripts/run_fuzzers.sh build/fuzz 60

lint: setup
	@scripts/setup.sh lint
	@cmake --preset asan >/dev/null
	@scripts/lint.sh build/asan $(JOBS)

format:
	@git ls-files '*.h' '*.cc' '*.cu' '*.cuh' | xargs clang-format -i

clean:
	rm -rf build
