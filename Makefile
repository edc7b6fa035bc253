# make demo        two virtual machines, provisioned and verified; the lab stays up
# make shell       a shell in which `labctl` reaches the demo's lab
# make demo-down   remove the demo
# make test        unit, integration, attacks, differential, and e2e on machines of the testbed
# make e2e-NAME    the tests of tests/e2e/test_NAME.py alone
# make fuzz        attacks and differential with 10,000 examples each, or EXAMPLES=N: hours
# make bench       labctl beside other tools, on the testbed; hours: see benchmarks/README.md
# make lint        style, types, imports, shell scripts, spelling, the documentation site
# make site        the documentation site, in build/site
# make coverage    which lines the unit tests miss
# make recording   docs/recording.svg: the live table, recorded from a lab like the demo's
# make messages    the translations' catalogues, brought up to date with the source
#
# On Debian 12 and 13 these install what they need; elsewhere they print a list of it. The testbed
# creates its machines inside network namespaces of its own, which needs root.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
SUDO    := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)
TESTBED := $(SUDO) $(BIN)/python -m tests.testbed
# Debian splits venv off python3; it is installed where it is missing.
INSTALL_PYTHON = { $(SUDO) apt-get update -qq && $(SUDO) apt-get -o DPkg::Lock::Timeout=600 \
                     install -y -qq --no-install-recommends python3-venv; }
DEMO    := demo
# The demo's lab is separate from the user's own labs.
IN_DEMO := $(SUDO) env LABCTL_HOME="$(CURDIR)/$(DEMO)/home" LABCTL_LAB="$(CURDIR)/$(DEMO)" \
             PATH="$(CURDIR)/$(BIN):$$PATH" $(PYTHON) -m tests.testbed --world demo
PREFLIGHT := sh tests/testbed/preflight.sh

# Without compiled modules, every `labctl` of the tests would compile itself, its libraries' checks and
# pytest's rewritten asserts again, which takes half a second each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo shell demo-down recording test programs built unit integration attacks differential fuzz e2e other-debian coverage bench lint untranslated site format messages clean

# It makes the virtual environment itself, beside other work.
demo:
	@$(PREFLIGHT)
	@command -v $(PYTHON) >/dev/null || $(INSTALL_PYTHON)
	@$(SUDO) $(PYTHON) -m tests.testbed demo $(DEMO)
	@echo "The lab is up: \`make shell\` opens a shell in which labctl reaches it, \`make demo-down\` removes it."

shell:
	$(IN_DEMO) shell

demo-down:
	-$(IN_DEMO) run -- labctl destroy --yes
	$(SUDO) $(PYTHON) -m tests.testbed --world demo down
	$(SUDO) rm -rf $(DEMO)

# In a world and a folder of its own, so that a running demo is unchanged.
RECORDING    := build/recording
IN_RECORDING := $(SUDO) env LABCTL_HOME="$(CURDIR)/$(RECORDING)/home" LABCTL_LAB="$(CURDIR)/$(RECORDING)" \
                  LABCTL_LANG=en PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.testbed --world recording

recording: built
	mkdir -p $(RECORDING)
	{ cat tests/demo.yaml; $(TESTBED) lab-yaml; } >$(RECORDING)/lab.yaml
	$(IN_RECORDING) up
	$(IN_RECORDING) run -- $(BIN)/python -m tools.recording docs/recording.svg -- labctl up --nodes 2; \
	  code=$$?; $(IN_RECORDING) run -- labctl destroy --yes; $(IN_RECORDING) down; exit $$code

# All at once, as far as there are processors: what e2e's machines are made of is built while the
# other tests run, and e2e begins as soon as it is.
test:
	@$(PREFLIGHT)
	$(MAKE) --no-print-directory programs
	$(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) unit integration attacks differential emulated $(LIGHT) other-debian

# First of all: unit tests use ruby and ssh too, where there are any.
programs: $(READY)
	$(TESTBED) install

built: programs
	$(TESTBED) build

unit: $(MO)
	$(BIN)/python -m pytest -q tests/unit

integration: programs
	$(SUDO) $(BIN)/python -m pytest -q -p no:cacheprovider tests/integration

# labctl scp beside OpenSSH's: the same command lines, the same trees. T='-k links' goes to pytest.
differential: programs
	$(SUDO) $(BIN)/python -m pytest -q -p no:cacheprovider tests/differential $(T)

# What a hostile node, file or user can do. T='-k tar' goes to pytest.
attacks: programs
	$(SUDO) $(BIN)/python -m pytest -q -p no:cacheprovider --timeout=900 tests/attacks $(T)

EXAMPLES ?= 10000

# Some hours; each test at most two, because a hang is what it looks for. docs/security.md has the times.
fuzz: programs
	$(SUDO) $(BIN)/python -m pytest -q -p no:cacheprovider --timeout=7200 tests/attacks tests/differential --examples=$(EXAMPLES) $(T)

# A world for each file, and one file more than there are processors at a time, because all of them
# wait now and then: for engines that stop, for names that are not found. The longest begin first.
JOBS     ?= $(shell echo $$(($$(nproc) + 1)))
# These emulate machines, and take turns. A machine works off 250 interrupts of its clock for each
# second that passes, however little it has of a processor meanwhile, so four at a time use half as
# much again for the same work as two.
EMULATED := virtual_machines virtualbox class
LONGEST  := course_network_to_repairs course_playbooks course_basics machines_as_found existing_machines old_machines
FILES    := $(patsubst tests/e2e/test_%.py,%,$(wildcard tests/e2e/test_*.py))
LIGHT    := $(addprefix e2e-,$(LONGEST) $(filter-out $(LONGEST) $(EMULATED),$(FILES)))
E2E      := $(LIGHT) $(addprefix e2e-,$(EMULATED))

.PHONY: emulated $(E2E)

e2e: programs
	$(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) emulated $(LIGHT) other-debian

emulated: built
	failed=; for name in $(EMULATED); do $(MAKE) --no-print-directory e2e-$$name || failed=1; done; [ ! "$$failed" ]

# One file: KEEP=1 keeps its world for the next run, T='-k checkpoint -x' goes to pytest.
$(E2E): e2e-%: built
	$(SUDO) tests/e2e/run.sh $(BIN)/python $* $(T)

# The testbed on the Debian that this machine does not run: 13 on 12, and 12 on 13.
other-debian: built
	$(SUDO) $(BIN)/python -m pytest -v -p no:cacheprovider --timeout=1500 tests/other_debian/test_other_debian.py

# BENCH='--rows scp,status --runs 3' chooses; BENCH=--resume goes on where the last one stopped.
bench: $(READY)
	$(SUDO) $(BIN)/python -m benchmarks $(BENCH)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/shellcheck .ci/run $$(find benchmarks course labctl playbooks tests tools -name '*.sh')
	$(BIN)/codespell
	$(MAKE) --no-print-directory untranslated site

site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

coverage: $(READY)
	$(BIN)/python -m pytest -q tests/unit --cov --cov-report=term

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# -m, because Babel imports the extraction method from this folder.
BABEL := $(BIN)/python -m babel.messages.frontend -q

MO := $(patsubst %.po,%.mo,$(wildcard labctl/messages/*/LC_MESSAGES/labctl.po))

$(MO): %.mo: %.po $(READY)
	$(BABEL) compile -i $< -o $@

# Lists messages without a translation; never fails.
untranslated: $(MO)
	mkdir -p build
	$(BABEL) extract -F tools/messages/babel.cfg --add-location=file --sort-by-file \
	  --width=100 -o build/labctl.pot .
	$(BIN)/python -m tools.messages build/labctl.pot

messages: untranslated
	$(BABEL) update -D labctl -d labctl/messages -i build/labctl.pot --width=100 --previous \
	  --ignore-obsolete --ignore-pot-creation-date --no-fuzzy-matching
	$(MAKE) --no-print-directory $(MO)

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache

$(READY): pyproject.toml
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(INSTALL_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(READY)
