# The two commands of the README, and what developers use beside them. CMake does the building; see CMakePresets.json.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
RELEASE := build/release

.PHONY: help demo test test-long test-sanitizers bench cards fuzz format setup build clean

help:
	@echo "make demo             install what is missing, build, compress the demo model, show what became of it"
	@echo "make test             the same set-up and build, then all tests"
	@echo "make test-long        tests that take longer: large checkpoints, kills at random moments, memory"
	@echo "make test-sanitizers  all tests that need no LibTorch, under address and undefined-behaviour sanitizers"
	@echo "make bench            kernel benchmarks beside their peers"
	@echo "make cards            every shipped codec measured again, beside its card (MODELS=... for more models than the demo)"
	@echo "make fuzz             every fuzz target for 60 s (clang)"

setup:
	@scripts/setup.sh

build: setup
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS)

demo: setup
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target nwcodec
	@scripts/demo.sh $(RELEASE)/bin/nwcodec

test: build
	@scripts/run_tests.sh $(RELEASE) -LE long

test-long: build
	@scripts/run_tests.sh $(RELEASE) -L long

test-sanitizers: setup
	@cmake --preset asan >/dev/null
	@cmake --build --preset asan -j $(JOBS)
	@scripts/run_tests.sh build/asan -LE long

bench: build
	@$(RELEASE)/bin/entropy_bench
	@$(RELEASE)/bin/synthesis_bench

cards: build
	@scripts/cards.sh $(RELEASE)/bin/nwcodec $(MODELS)

fuzz: setup
	@cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz -j $(JOBS) --target fuzzers
	@scripts/run_fuzzers.sh build/fuzz 60

format:
	@git ls-files '*.h' '*.cc' '*.cu' '*.cuh' | xargs clang-format -i

clean:
	rm -rf build
