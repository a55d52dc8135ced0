# Each target does all its set-up: on a fresh Debian 12 with Swift installed, any of them can be first.
#
#   make demo      the whole method on pictures made here, with a table at the end
#   make test      every test
#   make fuzz      schemathesis with more than 5,000 cases against the daemon with a fake worker; libFuzzer on its parser
#   make kills     200 kills of daemon and workers
#   make streams   500 subscribers over restarts; 2 GiB downloaded through 20 cuts
#   make soak      random traffic for MINUTES
#   make disk      a disk that fills up under a training; make clock: a clock that jumps; ARGS="--datasets DIR --dataset NAME"
#   make build     the release build: .build/release/detnas
#   make serve     the daemon; ARGS="--port 8080 ..." are its options
#   make bench     the measurements; ARGS as above
#   make format    format the sources; make lint: only look
#
# LIBTORCH=/dir uses the libtorch there instead of installing one.

SWIFT ?= swift
SOURCES = Package.swift Sources Tests
ARGS ?=
MINUTES ?= 60

.PHONY: demo test fake-daemon fuzz kills streams soak disk clock build serve bench format lint setup

build: setup
	$(SWIFT) build -c release --product detnas
	$(SWIFT) build -c release --product detnas-torch

setup:
	deploy/setup

test: setup
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build
	DETNAS_TEST_ALONE=1 $(SWIFT) test --skip-build --filter LimitTests
	Tests/service/kills.py
	Tests/service/streams.py
	Tests/service/downloads.py
	Tests/service/fuzz.py

fake-daemon: setup
	$(SWIFT) build --product fake-daemon

fuzz: fake-daemon
	Tests/service/fuzz.py --examples 100
	Tests/service/fuzz_parser 120

kills: fake-daemon
	Tests/service/kills.py --rounds 4

streams: fake-daemon
	Tests/service/streams.py --subscribers 500
	Tests/service/downloads.py --mebibytes 2048 --cuts 20

soak: fake-daemon
	Tests/service/soak.py --minutes $(MINUTES) $(ARGS)

# On real trainings: ARGS="--datasets DIR --dataset NAME", a set in ImageNet layout. The disk needs the right to mount.
disk clock: build
	Tests/service/$@.py --detnas .build/release/detnas $(ARGS)

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
