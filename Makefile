# Two commands do everything on a machine with Python (3.10 to 3.14), make and git: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BACKEND ?= embedded
PACKAGES := packages/spanprofiles-processor packages/spanprofiles
METADATA := $(PACKAGES:%=%/pyproject.toml)
LOCKED := --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.10
PROTOC := grpcio-tools==1.64.3
# With these options Maven writes down the checksums of everything it fetches, instead of comparing them with the list.
CHECKSUMS := aether.artifactResolver.postProcessor.trustedChecksums
NOTED := -D$(CHECKSUMS).record=true -D$(CHECKSUMS).failIfMissing=false \
	-Daether.trustedChecksumsSource.summaryFile.basedir=$(CURDIR)/fleet/java/target/lock
# How many workers run the integration tests. Each worker starts the three regions for itself.
WORKERS ?= 2
# Some tests run make: that make must not inherit the flags of this one.
PYTEST := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(BIN)/pytest
# Each worker collects all files that it is given, so it is given only the files that have a test with this mark.
FILES_WITH = $(filter-out tests/integration/test_soak.py,$(shell grep -rl --include='test_*.py' 'mark\.$(1)' $(2)))
OF_FLEET := $(addprefix tests/integration/test_,fleet.py broken_regions.py workshop_in_go.py)
SUITES := tests/integration tests/unit tests/browser
# The unit tests run in two halves that take about equally long, each in one process. Two workers would each collect all of
# them, and report each result to a third process.
FIRST_HALF := tests/unit/embedded tests/unit/doctor tests/unit/clients tests/conformance
SECOND_HALF := $(filter-out $(FIRST_HALF) %/__pycache__,$(patsubst %/,%,$(wildcard tests/unit/*/)) $(wildcard tests/unit/test_*.py))
# These tests do not use this plugin, which each worker would import.
BARE := -p no:hypothesispytest
# Runs targets side by side. The output of each target is kept together, if this make can do that. All targets run, even if
# one fails.
PARTS = $(MAKE) --no-print-directory --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
FAILED = { echo "make $@ failed: the output above has the reason; look for ***" >&2; exit 1; }

# Tests start hundreds of programs: without bytecode each would compile its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo fleet up down test lint lint-fleet types imports unit integration
.PHONY: first-half second-half unit-slow long-soak
.PHONY: docs slow processor integration-slow soak browser exhaustive upstream upstream-integration
.PHONY: upstream-processor
.PHONY: grafana coverage mutants bench dist lock lock-fleet proto clean

help:
	@echo "make demo     start everything and show the flame graph of one request (Ctrl-C ends it)"
	@echo "make fleet    the same with a region in Go and one in Java, if go, a JDK and Maven are there"
	@echo "make up       the same on real Tempo, Pyroscope and Grafana, with Docker; make down ends it;"
	@echo "              with the regions in Go and Java: COMPOSE_PROFILES=fleet make up"
	@echo "make test     lint, types, import rules, unit tests, integration tests, side by side"
	@echo "make docs     build the documentation as a site, in site/; a broken link fails it"
	@echo "make slow     the tests that start many programs: span processors, faults, the page in Chromium, regions in three languages"
	@echo "make exhaustive  what those two leave out: every framework, fault and exercise, the documentation's site, rare cases"
	@echo "make upstream  what depends on other people's releases: installing today's, the official processor's defects"
	@echo "make grafana  the button in a real Grafana, pressed in a browser, with Docker"
	@echo "make bench    seconds from nothing to the first flame graph; docs/reference/figures.md has the other figures' commands"
	@echo "make coverage, mutants: what the tests leave out; mutants takes ROOM=model, linking, doctor, embedded or processor"
	@echo "make dist     build wheels and source distributions of both packages into dist/"
	@echo "make install  make .venv from the two locks (the others do it first)"
	@echo "make lint, types, imports, unit, integration: the parts of make test; integration takes BACKEND=native"
	@echo "make lint-fleet  formatters, linters and tests of the regions in Go and Java, if their tools are there"
	@echo "make integration-slow, unit-slow, browser, processor, soak: the parts of make slow"
	@echo "make long-soak  the soak with a hundred thousand requests"
	@echo "make lock     pin the dependencies again (needs uv); make clean removes .venv"
	@echo "make lock-fleet  pin again, by checksums, what the region in Java is built with (needs a JDK and Maven 3.9.6 or later)"
	@echo "make proto    generate the embedded pair's protobuf modules (needs uv)"

# This file says that everything is installed. The pip that comes with Python, however old, installs the locked pip, which
# installs everything else. When a lock or the metadata changes, the packages are installed over those that are there. For a
# .venv with nothing but the locked packages, run `make clean` first.
install: $(VENV)/installed

$(VENV)/installed: requirements-pip.lock requirements.lock pyproject.toml $(METADATA)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 14) else f"Python 3.10 to 3.14 is needed, $(PYTHON) is {v[0]}.{v[1]}: name another with make PYTHON=...")'
	@echo "installing into $(VENV) (about 20 s, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes --only-binary :all: -r requirements-pip.lock
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --no-deps --no-build-isolation $(PACKAGES:%=--editable %)
	@touch $@

demo: install
	@$(BIN)/spanprofiles demo

# The same with a region in Go and one in Java, if their tools are there.
fleet: install
	@$(BIN)/spanprofiles demo --fleet

# The same demo on real Tempo, Pyroscope and Grafana. Needs Docker with Compose 2 or 1.29, and no .venv. COMPOSE_PROFILES=fleet
# adds the regions in Go and Java.
up down:
	@PYTHONPATH=packages/spanprofiles/src $(PYTHON) -m spanprofiles.stack $@

# Tests that wait for uploads leave the processors free for tests that compute.
test: install
	+@$(PARTS) --jobs=4 integration first-half second-half types lint imports || $(FAILED)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# This is part of make exhaustive, too. If a tool is missing, its checks are skipped, with the reason.
lint-fleet: install
	$(PYTEST) -m exhaustive -rs -k own_checks tests/integration/test_more_of_the_fleet.py

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

unit: install
	+@$(PARTS) --jobs=2 first-half second-half || $(FAILED)

first-half: install
	$(PYTEST) -p no:xdist -m "not slow and not exhaustive" $(FIRST_HALF)

second-half: install
	$(PYTEST) -p no:xdist -m "not slow and not exhaustive" $(SECOND_HALF)

integration: install
	$(PYTEST) $(BARE) -n $(WORKERS) --dist loadfile -m "not slow and not exhaustive" tests/integration --span-profiles-backend=$(BACKEND)

# Broken links, and links to missing headings, are errors. A test in make exhaustive builds the site, too.
docs: install
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs site

# The tests that take longer: the span processors in processes of their own, the app's faults, the page in a real browser,
# the soak, and the regions in Go and Java with their faults.
# Two suites run at a time: the soak sends at its own pace, and the tests of the page and of programs that start wait most
# of the time. The tests of the processors count the samples of single functions, so they run alone.
slow: install
	+@well=yes; $(PARTS) --jobs=2 soak browser unit-slow integration-slow || well=; $(PARTS) processor || well=; \
	test "$$well" || $(FAILED)

processor: install
	$(PYTEST) $(BARE) -n 3 --dist loadfile -m "not exhaustive" tests/processor

# With FLEET=no, the tests that build a program in Go or Java are left out: the regions, and the exercise in Go.
integration-slow: install
	$(PYTEST) $(BARE) -n 4 --dist loadgroup --no-loadscope-reorder -m slow \
		$(filter-out $(if $(filter no,$(FLEET)),$(OF_FLEET)),$(call FILES_WITH,slow,tests/integration))

unit-slow: install
	$(PYTEST) -n 2 --dist loadfile -m slow $(call FILES_WITH,slow,tests/unit)

soak: install
	$(PYTEST) $(BARE) -m slow tests/integration/test_soak.py

# Three minutes of the same requests: a growth of memory shows only after a while.
long-soak: install
	$(PYTEST) $(BARE) -m exhaustive tests/integration/test_soak.py

browser: install
	$(PYTEST) -m "not exhaustive" tests/browser

# Some things are tested in many forms: `make slow` tests one or two of them, and this tests the others.
exhaustive: install
	$(PYTEST) -n 5 --dist loadgroup --no-loadscope-reorder -m "exhaustive and not upstream" $(call FILES_WITH,exhaustive,$(SUITES))

# These results change with other people's releases, and not with a commit here. So no landing waits for these tests, or
# fails because of them.
upstream: install
	+@$(PARTS) --jobs=1 upstream-integration upstream-processor || $(FAILED)

upstream-integration: install
	$(PYTEST) -m upstream $(call FILES_WITH,upstream,$(SUITES))

upstream-processor: install
	$(PYTEST) $(BARE) -n 3 --dist loadfile -m upstream tests/processor

# The button in a real Grafana, pressed in a real browser. Needs Docker with Compose 2, and Chromium.
grafana: install
	$(PYTEST) -m grafana tests/browser --span-profiles-backend=compose

# How much of the code the tests run, and how many small changes to the code of ROOM they notice. Both take long.
$(VENV)/quality: requirements-quality.lock $(VENV)/installed
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes --only-binary :all: -r requirements-quality.lock
	@touch $@

coverage: $(VENV)/quality
	$(BIN)/coverage erase
	-env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(BIN)/coverage run -m pytest -n 2 --dist worksteal tests/unit tests/conformance tests/processor
	-env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(BIN)/coverage run -m pytest -n 2 --dist loadfile tests/integration --deselect tests/integration/test_soak.py
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

ROOM ?= model
mutants: $(VENV)/quality
	$(BIN)/python -m bench.mutants $(ROOM)

bench: install
	$(BIN)/python -m bench.first_flamegraph

# Wheels and source distributions of both packages, in dist/.
dist: install
	@rm -rf dist
	@for package in $(PACKAGES); do \
	  (cd $$package && "$(CURDIR)/$(BIN)/python" -m hatchling build --directory "$(CURDIR)/dist") || { \
	    rm -rf dist; echo "make dist failed: $$package does not build, and dist/ is removed" >&2; exit 1; }; \
	done
	@ls dist

# Needs the program uv. No addresses and no annotations: pins and hashes only.
lock:
	uv pip compile $(LOCKED) $(METADATA) --all-extras --group dev --no-emit-package spanprofiles-processor --output-file requirements.lock
	uv pip compile $(LOCKED) --group installer --output-file requirements-pip.lock
	uv pip compile $(LOCKED) --group quality --constraint requirements.lock --output-file requirements-quality.lock

# Needs a JDK and Maven 3.9.6 or later: an older one writes down no checksums of what it fetches. It runs the tests and
# checks the format, because these need plugins and libraries too. Go keeps its own list, go.sum.
lock-fleet:
	rm -rf fleet/java/target
	cd fleet/java && mvn --quiet --batch-mode --strict-checksums $(NOTED) verify
	LC_ALL=C sort -k 2 fleet/java/target/lock/checksums.sha256 > fleet/java/.mvn/checksums.sha256
	cd fleet/java/target && find agents app ! -type d ! -path app/rideshare-1.0.0.jar | LC_ALL=C sort | xargs sha256sum > ../checksums.sha256

# Needs the program uv. An old protoc, so that the code runs with every protobuf that the metadata allows.
proto:
	cd packages/spanprofiles/src && uv run --no-project --python 3.11 --with $(PROTOC) \
		python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. spanprofiles/embedded/proto/*.proto

clean:
	rm -rf $(VENV) dist site .mypy_cache .ruff_cache .pytest_cache .mutants .hypothesis .import_linter_cache
