# Turns a fresh checkout into a tested one: `make demo` and `make test` are all that a newcomer types.
#
# Every target first checks the machine (jvm-bridge/prerequisites.sh), then brings .venv and the bridge up to date.
# Stamps and content hashes make a second run install and build nothing.

# The line of Spark and the Python of an environment of its own: make test SPARK=4.1 PYTHON=3.12
SPARK := 4.3
# PYTHON may also be the path of an interpreter, for the usual environment. Spark 3.5 runs on no newer Python than 3.11.
PYTHON ?= $(if $(filter 3.5,$(SPARK)),3.11)
RELEASE := $(if $(findstring /,$(PYTHON)),,$(PYTHON))
VENV  := .venv$(if $(RELEASE)$(filter-out 4.3,$(SPARK)),-spark$(SPARK)$(if $(RELEASE),-python$(RELEASE)))
PY    := $(VENV)/bin/python
PIP   := $(PY) -m pip --disable-pip-version-check
CHECK := sh jvm-bridge/prerequisites.sh
# What build-system.requires of pyproject.toml names, installed once, so that pip builds the package in .venv itself
# and Spark is not downloaded a second time into a build environment (tests/repository/test_packaging.py compares the two lists).
BUILD_REQUIRES := 'setuptools>=77' 'pyspark==$(SPARK).*'
# Spark 3.5 needs NumPy 1. From version 26 on, pyarrow rejects that when it is imported; its metadata does not state it.
BESIDE := $(if $(filter 3.5,$(SPARK)),'pyarrow<26')
# Spark finds the JDK that the check found, also when it is not on PATH, and runs its workers in .venv.
RUN   := JAVA_HOME="$$($(CHECK) java-home)" PYSPARK_PYTHON="$(CURDIR)/$(PY)"

# Tests that read what they expect from files, and write these files with --golden.
GOLDEN := $(addprefix tests/udf_compiler/frontends/pandas/,test_calls.py test_operators.py test_times.py) \
  tests/jvm_bridge/test_cases.py tests/spark/test_queries.py

.PHONY: help libraries demo test nightly servers check bench corpus sample fuzz golden docs wheel clean ready prerequisites bridge classes

# Each of the processes that tests start would compile the Python sources anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo 'make demo            run real jobs over 10M+ flights and texts with and without the flag, and compare'
	@echo 'make test            a test of each behaviour: up to 15 minutes'
	@echo 'make test PART=2     further cases of them, as long; PART=all runs both'
	@echo 'make nightly         those more cases, and the kernels of all functions'
	@echo 'make servers         the examples for Ray Serve and BentoML, which it installs in build/'
	@echo 'make compat SPARK=4.1 what depends on the line of Spark, the tests of tests/compat.txt'
	@echo 'make matrix          all tests on all lines of Spark, one line after the other'
	@echo 'make check           ruff, mypy, layers and the fast tests: a minute'
	@echo 'make bench BENCH=x   one timed comparison, tests/bench/bench_x.py'
	@echo 'make corpus          what is compiled of 200 UDFs as people write them, and why not the rest'
	@echo 'make sample          the share of 110 functions in the idioms of public code that runs natively, in Spark: minutes'
	@echo 'make fuzz           generated UDFs with new seeds for 30 minutes, compared with PySpark'
	@echo 'make golden          rewrite expected programs and the tables in docs/, then read the diff'
	@echo 'make docs            the site of docs/ in build/docs, with checked links; open build/docs/index.html'
	@echo 'make wheel           wheels in dist/ for x86-64 and Arm, each for all lines of Spark'
	@echo 'make libraries SET=x compare all model classes with the libraries of tests/libraries/sets/x.txt'
	@echo 'make clean           remove .venv, the bridge and all caches'
	@echo 'SPARK=4.1 PYTHON=3.12 select an environment of their own: make test SPARK=4.1'
	@echo 'ARGS=... is handed on: make test PART=all ARGS="-k explain"'

demo: ready classes
	$(RUN) $(PY) tests/bench/demo.py $(ARGS)

# What tests/fast.txt lists, by the rule that it states.
FAST := $(shell sed 's/\#.*//' tests/fast.txt)

# Two processes have a Spark of their own, and the third runs what needs none: tests/helpers/scheduling.py.
PROCESSES := 3
PARALLEL := -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# The first of two parts, PART=2, or PART=all: tests/helpers/parts.py.
PART := 1

test: ready classes
	$(RUN) $(PY) -m pytest $(PARALLEL) -m 'not nightly and not servers' $(if $(filter-out all,$(PART)),--part $(PART)) $(ARGS)

# With all parts of tests that `make test` runs in part: tests/helpers/sampling.py.
nightly: ready classes
	SPARKWELD_EVERY_CASE=1 $(RUN) $(PY) -m pytest $(PARALLEL) -m 'nightly or sampled' $(ARGS)

# The examples for servers whose packages the tests do not install: 600 MB, each in a folder of its own.
servers: ready
	$(PIP) install --quiet --upgrade --target build/servers/ray 'ray[serve]'
	$(PIP) install --quiet --upgrade --target build/servers/bentoml bentoml
	for server in ray bentoml; do \
	  PYTHONPATH="$(CURDIR)/build/servers/$$server" $(RUN) $(PY) -m pytest -m servers -k $$server tests/serving/test_services.py $(ARGS) || exit 1; done

# What tests/compat.txt lists, by the rule that it states.
COMPAT := $(shell sed 's/\#.*//' tests/compat.txt)

compat: ready classes
	$(RUN) $(PY) -m pytest -q $(PARALLEL) -m 'not nightly' $(COMPAT) $(ARGS)

LINES := $(shell sed -n 's/.*"lines": \[\(.*\)\].*/\1/p' sparkweld/contract/constants.json | tr -d '",')

# A line that fails does not end the run. One line for each closes it: `4.1: 11900 passed, 30 xfailed in 1400.00s`.
matrix: prerequisites
	@mkdir -p build; rm -f build/matrix-*.log
	@for line in $(LINES); do $(MAKE) --no-print-directory test PART=all SPARK=$$line 2>&1 | tee build/matrix-$$line.log; done
	@failed=; for line in $(LINES); do closing="$$(grep -E ' in [0-9.]+s' build/matrix-$$line.log | tail -1)"; echo "$$line: $$closing"; \
	  case "$$closing" in ''|*failed*|*error*) failed="$$failed $$line";; esac; done; test -z "$$failed"

check: ready
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(RUN) $(PY) -m pytest -q $(PARALLEL) -m 'not spark and not slow and not nightly' $(FAST) $(ARGS)

bench: ready
	@test -n '$(BENCH)' || { echo 'usage: make bench BENCH=name, where name is one of:'; \
	  ls tests/bench/bench_*.py | sed 's|.*/bench_\(.*\)\.py|  \1|'; exit 2; }
	$(RUN) $(PY) tests/bench/bench_$(BENCH).py $(ARGS)

corpus: ready
	$(RUN) $(PY) -m tests.corpus $(ARGS)

sample: ready
	$(RUN) $(PY) -m tests.sample $(ARGS)

fuzz: ready
	$(PY) -m tests.fuzz $(ARGS)

# An environment of its own: the pinned libraries and what the comparison itself imports.
libraries: prerequisites
	@test -n '$(SET)' || { echo 'usage: make libraries SET=name, where name is one of:'; \
	  ls tests/libraries/sets | sed 's|\.txt$$||'; exit 2; }
	test -d .venv-libs-$(SET) || python$$(sed -n 's/.*Python \([0-9.]*[0-9]\).*/\1/p' tests/libraries/sets/$(SET).txt) -m venv .venv-libs-$(SET)
	.venv-libs-$(SET)/bin/python -m pip install -q -r tests/libraries/sets/$(SET).txt cloudpickle pytest
	PYSPARK_PYTHON="$(CURDIR)/.venv-libs-$(SET)/bin/python" .venv-libs-$(SET)/bin/python -m tests.libraries \
	  --out tests/libraries/results/$(SET).json $(ARGS)

golden: ready
	$(RUN) $(PY) -m tests.helpers.golden
	$(RUN) $(PY) -m pytest -q --golden $(GOLDEN)
	git diff --stat -- tests docs

# Warnings are errors: a link without a target is one.
docs: ready
	$(PY) -m sphinx -b html -q -n -W --keep-going docs build/docs
	@echo 'open build/docs/index.html'

# For distribution: with the jars of all lines of Spark, whose pysparks pip downloads once, and with shims for older glibcs.
wheel: ready
	$(RUN) $(PIP) install --quiet --no-build-isolation --editable '.[wheel]'
	for machine in x86_64 aarch64; do \
	  SPARKWELD_WHEEL=$$machine $(RUN) $(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist . || exit 1; done
	for made in dist/*manylinux*.whl; do $(PY) -m auditwheel show $$made; done

clean:
	rm -rf .venv .venv-spark* .venv-libs-* build dist *.egg-info sparkweld/_bridge .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf spark-warehouse metastore_db derby.log
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

ready: bridge

prerequisites:
	@$(CHECK)

IS_RELEASE := import sys; sys.exit("$(RELEASE)" not in ("", "%d.%d" % sys.version_info[:2]))
# The interpreter inside is run, not only looked for: a .venv outlives the Python that it was made with.
$(VENV)/.stamp-python: | prerequisites
	@$(PY) -c '$(IS_RELEASE)' 2>/dev/null || { echo 'making $(VENV)'; "$$(PYTHON='$(if $(RELEASE),python$(RELEASE),$(PYTHON))' $(CHECK) python)" -m venv --clear $(VENV); }
	@$(PY) -c '$(IS_RELEASE)' || { echo 'no Python $(RELEASE) found: give the path of one as PYTHON, or install it'; exit 1; }
	@touch $@

$(VENV)/.stamp-package: pyproject.toml jvm-bridge/wheel_backend.py $(VENV)/.stamp-python
	@echo 'installing SparkWeld and its dependencies in $(VENV) (Spark alone is 450 MB: this takes some minutes once)'
	@$(PIP) install --quiet $(BUILD_REQUIRES)
	@$(RUN) $(PIP) install --quiet --no-build-isolation --editable '.[test,connect,demo,bench,docs]' 'pyspark==$(SPARK).*' $(BESIDE)
	@touch $@

# build.py compares content hashes and returns at once when nothing changed.
bridge: $(VENV)/.stamp-package
	@$(RUN) $(PY) jvm-bridge/build.py >/dev/null

# JVMs of tests and of the demo map the classes of Spark from a file in .venv. It is written when there is none for this JDK and this
# Spark.
classes: bridge
	@$(RUN) $(PY) -m tests.helpers.class_archive
