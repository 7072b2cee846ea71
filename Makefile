# `make book` and `make test` do everything on a fresh machine; the rest is for authors.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BENCH  ?= .bench-venv
OLDEST ?= .oldest-venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
CHAPTERS := $(sort $(wildcard chapters/*.ipynb))

# Threads that wait without spinning, unless you have decided how they wait.
ifeq ($(GOMP_SPINCOUNT)$(OMP_WAIT_POLICY)$(KMP_BLOCKTIME),)
export GOMP_SPINCOUNT := 1000
endif
# What `test` proves, in parts of one process each. Each collects its own tests and no
# others, and computes once what a file's tests share.
UNIT := unit-book unit-lib unit-unchecked
# The longest first, so that no core waits for the other at the end.
LONGEST_FIRST := $(addprefix test-,explorers 07_without_the_group 02_superposition 08_double_descent \
	03_modular_addition 09_present_or_used 10_pitch 11_grammar 04_grokking)
CHAPTER_TESTS := $(LONGEST_FIRST) $(filter-out $(LONGEST_FIRST),$(CHAPTERS:chapters/%.ipynb=test-%))
# As many parts at a time as there are cores, and one more: some wait for others' processes.
SIDE_BY_SIDE = --no-print-directory --output-sync --jobs $$(($$(getconf _NPROCESSORS_ONLN) + 1))
# Each part on one thread. `chapters` keeps torch's default, to measure what a reader waits for.
quick $(UNIT) $(CHAPTER_TESTS) browser: export OMP_NUM_THREADS ?= 1
# Every annotated shape is checked while the tests run, but in those that go through the
# engine's inner loops so often that the checks would take most of the time.
CHECKED := --jaxtyping-packages=entk_lib,entk_book,beartype.beartype
# The chapter whose cells `make quick` executes: one of the fastest.
QUICK := chapters/template.ipynb

.DEFAULT_GOAL := help
.PHONY: help book quick quick-test test lint unit $(UNIT) chapter-test $(CHAPTER_TESTS) browser-test \
	browser portability chapters pictures snapshots records student zip paper dist lab oldest address \
	bench clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | sort | column -t -s '	'

$(READY): requirements.txt requirements-wild.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: install it, or run make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, got {v[0]}.{v[1]}: run make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt --editable .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-wild.txt
	@touch $@

# A build that failed is thrown away: Sphinx would not warn again of pages that it has built.
book: $(READY)  ## build the book, warnings as errors
	$(BIN)/jupyter-book build --warningiserror --nitpick --keep-going --quiet . || { rm -rf _build; exit 1; }
	@echo "The book: $(CURDIR)/_build/html/index.html"

# Run before every commit.
quick: $(READY)  ## style, types, the fast tests, one chapter's cells: before every commit
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint quick-test

quick-test: $(READY)
	$(BIN)/python -m pytest tests/lib tests/book --quiet -m "not slow and not sweep" --quick
	$(BIN)/python -m pytest --nbval --quiet $(QUICK)

# The longest first; the browser as soon as there is a book.
test: $(READY)  ## prove everything
	@$(MAKE) $(SIDE_BY_SIDE) book $(UNIT) browser-test lint $(CHAPTER_TESTS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

unit: $(READY)  ## the tests of both packages and of the book's tools, and the examples in docstrings
	@$(MAKE) $(SIDE_BY_SIDE) $(UNIT)

unit-book: $(READY)
	$(BIN)/python -m pytest tests/book entk_lib entk_book --doctest-modules --quiet $(CHECKED) -m "not no_shape_checks"

unit-lib: $(READY)
	$(BIN)/python -m pytest tests/lib --quiet $(CHECKED) -m "not no_shape_checks"

unit-unchecked: $(READY)
	$(BIN)/python -m pytest tests/lib tests/book --quiet -m no_shape_checks

chapter-test: $(READY)  ## execute the chapters and compare with what they store
	@$(MAKE) $(SIDE_BY_SIDE) $(CHAPTER_TESTS)

# Without the plugin of hypothesis, which no chapter uses and each would import.
$(CHAPTER_TESTS): test-%: $(READY)
	$(BIN)/python -m pytest -p no:hypothesispytest --nbval --nbval-current-env --nbval-cell-timeout=900 --quiet chapters/$*.ipynb

browser-test: book  ## every page in Chromium, if there is one
	@$(MAKE) --no-print-directory browser

# A browser waits more than it works.
browser: $(READY)
	$(BIN)/python -m pytest tests/browser --quiet --numprocesses logical

# The stored numbers must not hang on one machine's last digits.
portability: $(READY)  ## the same on two threads and with other instruction sets
	$(MAKE) chapter-test OMP_NUM_THREADS=2
	ATEN_CPU_CAPABILITY=default $(MAKE) chapter-test
	ATEN_CPU_CAPABILITY=avx2 $(MAKE) chapter-test

chapters: $(READY)  ## re-execute every chapter and store normalised outputs
	@for chapter in $(CHAPTERS); do $(BIN)/python book/execute.py $$chapter || exit 1; done
	$(BIN)/python book/readme_picture.py
	$(BIN)/python book/laboratory_still.py
	$(BIN)/python book/ledger_page.py
	$(BIN)/python book/costs_page.py
	$(BIN)/python book/workshop_pages.py

pictures: $(READY)  ## draw the chapters' pictures again, and the marks of the book (two minutes)
	$(BIN)/python book/make_pictures.py
	$(BIN)/python book/make_pictures.py --insert

snapshots: $(READY)  ## train the Transformers of chapters 6 and 11 again and store them (half an hour of one core)
	$(BIN)/python book/make_snapshots.py
	$(BIN)/python book/make_snapshots.py language

records: $(READY)  ## run again the studies that are too long for a chapter (two hours of one core)
	$(BIN)/python book/make_records.py

student: $(READY)  ## the notebooks without solutions, in _build/student
	rm -rf _build/student
	$(BIN)/python book/student.py _build/student

zip: book  ## the book as one file that needs no network
	$(BIN)/python book/offline_zip.py

paper: $(READY)  ## the book as one PDF and one EPUB, slides and handout as PDF; needs Chromium
	$(BIN)/python book/paper.py

dist: $(READY)  ## the library as wheel and sdist, checked for the package index
	rm -rf _build/dist
	$(BIN)/python -m build --outdir _build/dist .
	$(BIN)/twine check --strict _build/dist/*

lab: $(READY)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab chapters

# The other libraries need older versions of numpy and scipy: an environment of their own.
$(BENCH)/.ready: benchmarks/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt --editable .
	@touch $@

bench: $(READY) $(BENCH)/.ready  ## time and memory of the kernels, beside other libraries
	$(BIN)/python benchmarks/superposition_spectrum.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/many_outputs.py
	$(BIN)/python benchmarks/edits.py
	$(BENCH)/bin/python benchmarks/kernels.py

$(OLDEST)/.ready: tests/oldest.txt pyproject.toml
	rm -rf $(OLDEST)
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/oldest.txt
	@touch $@

# Of the book, what needs neither Sphinx nor Jupyter.
BOOK_S_OWN := $(addprefix tests/book/test_,explorers.py figures.py ledger.py stored.py \
	studies_modular.py studies_other.py studies_shared.py)

# First the cell for Colab, which installs the library there; then every other way to
# install it; then the library's tests.
oldest: $(OLDEST)/.ready  ## try the oldest versions that the library works with, and each way to install it
	$(OLDEST)/bin/python tests/colab_standin.py chapters/01_tangent_kernel.ipynb
	$(OLDEST)/bin/python tests/installs.py
	$(OLDEST)/bin/python -m pytest tests/lib $(BOOK_S_OWN) --quiet -m "not slow" -o filterwarnings=default

address:  ## set the repository's address everywhere: make address URL=https://github.com/OWNER/NAME
	$(BIN)/python book/address.py $(if $(URL),$(URL),--unset)

clean:  ## remove the built book, keep the environment
	rm -rf _build
