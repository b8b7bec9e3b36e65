# SPDX-License-Identifier: BSD-3-Clause
# A thin front: each target does all that it needs, on a fresh Debian 12 machine too. The build itself
# is CMake's (CMakePresets.json); `cmake --preset release && cmake --build build/release` does as well.
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
RUN ?= examples/chignolin/fold.run
BUILD := build/release

.PHONY: help deps deps-test build demo test test-asan test-tsan test-tsan-streams install lint tidy format bench clean

help:
	@echo "make demo      fold a small protein: packages if missing, build, then about two minutes"
	@echo "make test      packages if missing, build, all tests"
	@echo "make build     $(BUILD)/cox"
	@echo "make install   into PREFIX (now $(PREFIX)): cox, libcox.a, libcoxswain.so, headers, coxswain.pc, examples"
	@echo "make bench     measures, verifying first; JSON on the terminal"
	@echo "make lint      layers, style, format, public headers; make tidy: clang-tidy as well (slow)"
	@echo "make test-asan test-tsan   unit tests under the sanitizers"
	@echo "make deps      only the packages (deps-test: and those of the tests)"
	@echo "make clean     removes build/"
	@echo "Variables: PREFIX, JOBS (now $(JOBS)), RUN (the demo's folder, now $(RUN))"

deps:
	@tools/deps.sh build

deps-test:
	@tools/deps.sh test

build: deps
	@cmake --preset release $(if $(wildcard $(BUILD)/CMakeCache.txt),,-DCOX_TESTS=OFF) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target cox

demo: build
	@[ ! -e $(RUN)/catalog.db ] || rm -rf $(RUN) # an earlier demo
	$(BUILD)/cox run examples/chignolin/fold.yaml -o $(RUN)

test: deps-test
	@cmake --preset release -DCOX_TESTS=ON >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) -LE slurm
	@# real daemons want their machine to themselves
	@ctest --test-dir $(BUILD) --output-on-failure -L slurm

# The unit tests again, built with the sanitizers; the slow ones would take too long.
test-asan test-tsan: test-%: deps-test
	@cmake --preset $* -DCOX_TESTS=ON >/dev/null
	@cmake --build build/$* -j $(JOBS)
	@ctest --test-dir build/$* --output-on-failure -j $(JOBS) -L 'unit|fuzz' -LE slow

# What has threads of its own and talks to other processes.
test-tsan-streams: deps-test
	@cmake --preset tsan -DCOX_TESTS=ON >/dev/null
	@cmake --build build/tsan -j $(JOBS) --target tests_stream tests_runtime test_sweep_run test_sweep_surrogate_model
	@ctest --test-dir build/tsan --output-on-failure -j $(JOBS) -R '^((stream|runtime)\.|sweep\.(run|surrogate_model)$$)' \
	    -L unit -E kill_tasks

install: deps
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) \
	    $(if $(wildcard $(BUILD)/CMakeCache.txt),,-DCOX_TESTS=OFF) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target cox coxlib coxshared
	@cmake --install $(BUILD) --prefix $(PREFIX)

lint: deps-test
	@cmake --preset release -DCOX_TESTS=ON >/dev/null
	@ctest --test-dir $(BUILD) --output-on-failure -L lint

tidy: deps-test
	@cmake --preset release -DCOX_TESTS=ON >/dev/null
	@tools/check_tidy.py $(BUILD)

format:
	@find src include tests bench fuzz examples -name '*.[ch]' | xargs clang-format -i

bench: deps-test
	@cmake --preset release -DCOX_TESTS=ON -DCOX_BENCH=ON >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@set -e; for script in bench/*.sh; do $$script $(BUILD); done

clean:
	@rm -rf build
