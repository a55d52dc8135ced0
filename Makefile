# Each target does all its set-up: on a fresh Debian 12 with Swift installed, any of them can be first.
#
#   make demo      the whole method on pictures made here, with a table at the end
#   make test      every test
#   make build     the release build: .build/release/detnas
#   make serve     the daemon; ARGS="--port 8080 ..." are its options
#   make bench     the measurements; ARGS as above
#   make format    format the sources; make lint: only look
#
# LIBTORCH=/dir uses the libtorch there instead of installing one.

SWIFT ?= swift
SOURCES = Package.swift Sources Tests
ARGS ?=

.PHONY: demo test build serve bench format lint setup

build: setup
	$(SWIFT) build -c release --product detnas
	$(SWIFT) build -c release --product detnas-torch

setup:
	deploy/setup

test: setup
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build
	DETNAS_TEST_ALONE=1 $(SWIFT) test --skip-build --filter LimitTests

demo:
	deploy/setup --demo
	$(MAKE) build
	deploy/demo $(ARGS)

serve: build
	.build/release/detnas serve $(ARGS)

bench: build
	.build/release/detnas bench $(ARGS)

format:
	$(SWIFT) format --in-place --recursive $(SOURCES)

lint:
	$(SWIFT) format lint --strict --recursive $(SOURCES)
