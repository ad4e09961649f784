# make demo and make test set up all that they need; the rest is for
# those who work on menshen.
SHELL := /bin/sh
PY := .venv/bin/python
export PYTHONSAFEPATH := 1
# A folder of photographs with their contents beside them, 1.png and 1.txt.
export MENSHEN_QR_PHOTOS ?= ../shared/data/qr

.PHONY: help demo test lint types floors units pytest bench-decode bench-approaches rig-camera bench-passes fuzz-passes requirements clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

demo:  ## two gates, a broker and an office, 30 seconds (DEMO_SECONDS)
	@firmware_tools/setup.sh run
	@$(PY) -m agent.demo

test: setup-dev lint types floors units audit pytest  ## everything CI asks: lint, types, floors, units, audit, tests

.PHONY: setup-dev
setup-dev:
	@firmware_tools/setup.sh dev

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types:
	$(PY) -m mypy

floors:
	.venv/bin/lint-imports --no-logo

units:
	systemd/verify.sh

.PHONY: audit
audit:  ## are there known holes in what requirements/ pins?
	@$(PY) -m tests.audit

pytest:
	$(PY) -m pytest --cov=agent.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

bench-decode: setup-dev  ## the reader against its peers, over a folder of photographs
	@$(PY) -m benchmarks.decode

.PHONY: bench-eye
bench-eye: setup-dev  ## what it costs that pictures are read in a process of their own
	@$(PY) -m benchmarks.eye

bench-approaches: setup-dev  ## the same while people walk up to a gate, rendered (SEEDS=20)
	@$(PY) -m benchmarks.approaches

bench-trust: setup-dev  ## lists of a million passes: bytes, seconds, lookups, memory; minutes (PASSES=1000000)
	@$(PY) -m benchmarks.trust

drill-list: setup-dev  ## sync killed 500 times while it switches lists (KILLS=500)
	@$(PY) -m tests.list_drill $(or $(KILLS),500)

.PHONY: drill-decoder
drill-decoder: setup-dev  ## a picture that aborts a decoder: how soon the gate answers a pass again (ROUNDS=5)
	@$(PY) -m tests.decoder_drill $(or $(ROUNDS),5)

.PHONY: drill-updates
drill-updates: setup-dev  ## an update killed 200 times, and the power cut each time (root; KILLS=200)
	@$(PY) -m tests.updates.drill $(or $(KILLS),200)

.PHONY: drill-image
drill-image: setup-dev  ## an image built twice, every file compared (root, Debian; 12 GB and half an hour)
	@$(PY) -m tests.image.drill

bench-passes: setup-dev  ## checking one pass beside the bare signature check
	@$(PY) -m benchmarks.verify

.PHONY: bench-fellows
bench-fellows: setup-dev  ## how soon a passage at one gate is known at eleven others, with no broker
	@$(PY) -m benchmarks.fellows

fuzz-passes: setup-dev  ## a million damaged codes against the parser and the judge; minutes
	@$(PY) -m benchmarks.fuzz_passes

prompts:  ## spoken answers, zh and en, into PROMPTS=/usr/local/share/menshen/prompts (wants espeak-ng)
	@$(PY) -m hw.voice $(or $(PROMPTS),/usr/local/share/menshen/prompts)

answers-page:  ## write docs/answers.md from the tables that the gate plays
	@$(PY) -m hw.answers_page >docs/answers.md

drill-door: setup-dev  ## a gate killed, stopped and robbed of its parts a thousand times (ROUNDS=1000)
	@$(PY) -m tests.door_drill $(or $(ROUNDS),1000)

.PHONY: fuzz-provisioning bench-provisioning
fuzz-provisioning: setup-dev  ## a million broken frames against a sealed kiosk; minutes (FRAMES=1000000)
	@$(PY) -m benchmarks.fuzz_provisioning

bench-provisioning: setup-dev  ## enrolment and logs over a simulated line of 115,200 baud
	@$(PY) -m benchmarks.provisioning

.PHONY: drill bench-sync
drill: setup-dev  ## gate, sync, broker, ingesters and database killed at random, 500 rounds (DRILL_ROUNDS)
	@$(PY) -m tests.drill

.PHONY: estate
estate: setup-dev  ## a day of 3 sites, 12 gates, 5,000 people, held against the truth (ESTATE_PEOPLE ESTATE_GATES SEED)
	@$(PY) -m tests.estate

.PHONY: bench-journal
bench-journal: setup-dev  ## the journal beside a bare SQLite table, and a million events (MENSHEN_BENCH_EVENTS)
	@$(PY) -m benchmarks.journal

.PHONY: bench-wear
bench-wear: setup-dev  ## what a gate writes on its card for an event, counted at the card (root)
	@$(PY) -m benchmarks.wear

bench-sync: setup-dev  ## a gate's backlog to its office, against a plain MQTT client and a bridged broker
	@$(PY) -m benchmarks.sync

.PHONY: bench-feed
bench-feed: setup-dev  ## an office with a million events, question by question, on both databases; minutes (BENCH_EVENTS)
	@$(PY) -m benchmarks.feed sqlite
	@$(PY) -m benchmarks.feed postgresql

.PHONY: rig
rig: setup-dev  ## a machine with real pins, each unit's confinement tried, a kiosk left to fail (root; 12 GB and an hour, once)
	@MENSHEN_RIG=1 $(PY) -m pytest -n0 -v --timeout=3600 tests/rig tests/test_confinement.py

.PHONY: drill-cuts
drill-cuts: setup-dev  ## a kiosk whose power is cut while passes are shown (root, as `make rig`; CUTS=50, a minute each)
	@MENSHEN_RIG=1 CUTS=$(or $(CUTS),50) $(PY) -m pytest -n0 -v -s -k 'not release' tests/rig/test_image.py

rig-camera: setup-dev  ## the camera driver against the real picamera2 and libcamera (root; 4 GB, once)
	@tests/rig/camera.sh

.PHONY: drill-pages
drill-pages:  ## the office's pages and the holder's in a real browser, read by a real gate; minutes
	@firmware_tools/setup.sh pages
	@MENSHEN_BROWSERS=1 $(PY) -m pytest -n0 --timeout 300 tests/browsers

.PHONY: translations
translations:  ## compile the office's Chinese words (wants Debian's gettext)
	msgfmt --check -o office/web/locale/zh_Hans/LC_MESSAGES/django.mo office/web/locale/zh_Hans/LC_MESSAGES/django.po

.PHONY: bench-live
bench-live: setup-dev  ## how soon an event is on ten live pages, 200 events a second (BROWSERS SECONDS RATE)
	@$(PY) -m benchmarks.live

.PHONY: bench-group drill-cluster
bench-group: setup-dev  ## a group of sites: events in, what it costs, how soon it shows (SITES GATES EVENTS BROWSERS)
	@$(PY) -m benchmarks.group

drill-cluster: setup-dev  ## the drill on a cluster of three brokers, a node killed at a time (DRILL_BROKER=nats|rabbitmq)
	@$(PY) -m tests.drill --broker $(or $(DRILL_BROKER),nats) --rounds $(or $(DRILL_ROUNDS),60)

.PHONY: bench-muster
bench-muster: setup-dev  ## how soon the muster list is there with 5,000 people inside (INSIDE)
	@$(PY) -m benchmarks.muster

.PHONY: pictures
pictures:  ## take the pictures in docs/pictures anew, in both languages
	@firmware_tools/setup.sh pages
	@$(PY) -m tests.browsers.pictures docs/pictures
	@$(PY) -m tests.browsers.demo_picture docs/pictures/demo.svg

requirements:  ## pin again what pyproject.toml asks for (wants uv)
	uv pip compile pyproject.toml --extra bench --extra office --extra broker --extra postgresql $(PIN) -o requirements/run.txt
	uv pip compile pyproject.toml --extra bench --extra office --extra broker --extra postgresql --extra dev --extra release $(PIN) -c requirements/run.txt -o requirements/dev.txt
	printf 'pip\n' | uv pip compile pyproject.toml - $(PIN) -c requirements/run.txt -o requirements/gate.txt
	printf 'pip\nhatchling\neditables\n' | uv pip compile - $(PIN) -o requirements/build.txt

PIN := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

clean:  ## remove the environment and everything made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
