# Wayfarer: build, test, install. `make help` lists the targets.

# The version of the API we stand in for: libiwasm.so.2.4.3 is what hosts link against.
API_VERSION := 2.4.3
API_MAJOR   := 2
VERSION     := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
DESTDIR    ?=
INSTALL    ?= install
STRIP      ?= strip
OBJCOPY    ?= objcopy

CARGO   ?= cargo
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release

# What a host that links libiwasm.a must link as well: the system libraries under Rust's standard library. Not libgcc_s:
# compilers link what they have of it anyway, and there is none to link statically.
STATIC_LIBS := -lutil -lrt -lpthread -lm -ldl -lc

.PHONY: help all build setup guests demo test test-all test-long test-cross bench fmt lint install uninstall

help:
	@echo 'make build      libraries and programs, optimized, in $(RELEASE)'
	@echo 'make demo       checkpoint CPython in the middle of its work, and restore it in a new process'
	@echo 'make test       the tests, what takes long by samples; ends with "N passed, N failed"'
	@echo 'make test-all   what continuous integration runs, with aarch64 and s390x, emulated'
	@echo 'make test-long  for a night'
	@echo 'make test-cross tests for aarch64 and s390x alone; all of them, or those that CI runs with'
	@echo '                WAYFARER_TEST_CROSS=suites'
	@echo 'make bench      comparison with native code and other engines; what checkpoints cost'
	@echo 'make install    to PREFIX ($(PREFIX)), under DESTDIR if that is set'
	@echo 'make uninstall  removes what install put there'
	@echo 'make setup      installs the Debian packages that compiler, tests and demo need (as root)'
	@echo 'make fmt lint   source format; lints'

all: build

# A program linked with -liwasm asks for the SONAME when it starts, so the build folder needs that name too.
build:
	@scripts/check-build.sh
	$(CARGO) build --release --workspace
	ln -sf libiwasm.so $(RELEASE)/libiwasm.so.$(API_MAJOR)

setup:
	scripts/setup.sh

# WebAssembly programs for the tests, in $(TARGET)/guests.
guests: setup
	scripts/build-guests.sh $(TARGET)/guests

demo: setup build
	scripts/demo.sh $(RELEASE)/iwasm

test: setup
	scripts/test.sh

# What continuous integration runs.
test-all: setup
	scripts/test.sh all

# For a night.
test-long: setup
	scripts/test.sh long

test-cross: setup
	scripts/cross/test.sh

# `polls` compares itself with a build of it without polls, so both are built without the other engines, alike.
BENCH := $(CARGO) build --quiet --release --manifest-path benches/Cargo.toml --target-dir
BENCHES := $(or $(CARGO_TARGET_DIR),benches/target)

# Calls through the C API: a host in C.
CALLS := benches/build/c

bench: build
	$(BENCH) $(BENCHES) --bin wayfarer-bench --bin compiled --bin deterministic
	$(BENCH) $(BENCHES)/with-polls --no-default-features --bin polls --bin checkpoint --bin hooks
	$(BENCH) $(BENCHES)/without-polls --no-default-features --features no-polls --bin polls
	$(BENCHES)/release/compiled
	$(BENCHES)/release/deterministic
	mkdir -p $(CALLS)
	$(CC) -O2 -Iinclude benches/c/calls.c -o $(CALLS)/calls -L$(RELEASE) -liwasm -Wl,-rpath,$(abspath $(RELEASE))
	wat2wasm benches/c/calls.wat -o $(CALLS)/calls.wasm
	$(RELEASE)/wamrc -o $(CALLS)/calls.aot $(CALLS)/calls.wasm
	$(CALLS)/calls $(CALLS)/calls.aot
	$(CALLS)/calls $(CALLS)/calls.wasm
	$(BENCHES)/release/wayfarer-bench
	$(BENCHES)/with-polls/release/polls --without $(BENCHES)/without-polls/release/polls
	$(BENCHES)/with-polls/release/checkpoint
	$(BENCHES)/with-polls/release/hooks $(RELEASE)

fmt:
	$(CARGO) fmt --all

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

PROGRAMS = $(wildcard $(addprefix $(RELEASE)/,iwasm wayfarer wamrc))
HEADERS  = $(wildcard include/*.h)
MANUALS  = $(foreach program,$(notdir $(PROGRAMS)),packaging/man/$(program).1)

# Which folders there were not before.
FOLDERS = $(LIBDIR)/cmake/iwasm/folders.txt

# Paths in package files are given relative to the prefix where they are below it, so that the tree can be moved.
relative  = $(patsubst $(PREFIX)/%,%,$(1))
in_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
fill_in   = sed -e 's|@PREFIX@|$(PREFIX)|g' \
	-e 's|@LIBDIR@|$(call in_prefix,$(LIBDIR))|g' -e 's|@INCLUDEDIR@|$(call in_prefix,$(INCLUDEDIR))|g' \
	-e 's|@LIBDIR_RELATIVE@|$(call relative,$(LIBDIR))|g' \
	-e 's|@INCLUDEDIR_RELATIVE@|$(call relative,$(INCLUDEDIR))|g' \
	-e 's|@API_VERSION@|$(API_VERSION)|g' -e 's|@API_MAJOR@|$(API_MAJOR)|g' -e 's|@VERSION@|$(VERSION)|g' \
	-e 's|@STATIC_LIBS@|$(STATIC_LIBS)|g'

# Hosts made from WAMR's samples compile its bh_read_file.c: theirs must win over what is in the static library.
#
# Does not build: `sudo make install` should not run a compiler as root.
install:
	@test -f $(RELEASE)/libiwasm.so || { echo 'make install: nothing built in $(RELEASE); run make build first' >&2; exit 1; }
	scripts/folders.sh make '$(DESTDIR)' '$(FOLDERS)' '$(BINDIR)' '$(LIBDIR)/pkgconfig' '$(LIBDIR)/cmake/iwasm' \
		'$(INCLUDEDIR)' '$(MANDIR)/man1'
	$(INSTALL) -m 755 $(RELEASE)/libiwasm.so '$(DESTDIR)$(LIBDIR)/libiwasm.so.$(API_VERSION)'
	$(STRIP) --strip-unneeded '$(DESTDIR)$(LIBDIR)/libiwasm.so.$(API_VERSION)'
	ln -sf libiwasm.so.$(API_VERSION) '$(DESTDIR)$(LIBDIR)/libiwasm.so.$(API_MAJOR)'
	ln -sf libiwasm.so.$(API_MAJOR) '$(DESTDIR)$(LIBDIR)/libiwasm.so'
	if test -f $(RELEASE)/libwayfarer_compiler.so; then \
		$(INSTALL) -m 755 $(RELEASE)/libwayfarer_compiler.so '$(DESTDIR)$(LIBDIR)' && \
		$(STRIP) --strip-unneeded '$(DESTDIR)$(LIBDIR)/libwayfarer_compiler.so'; \
	fi
	$(INSTALL) -m 644 $(RELEASE)/libiwasm.a '$(DESTDIR)$(LIBDIR)/libiwasm.a'
	$(STRIP) --strip-debug '$(DESTDIR)$(LIBDIR)/libiwasm.a'
	$(OBJCOPY) --weaken-symbol=bh_read_file_to_buffer '$(DESTDIR)$(LIBDIR)/libiwasm.a'
	$(INSTALL) -m 644 $(HEADERS) '$(DESTDIR)$(INCLUDEDIR)'
	$(fill_in) packaging/iwasm.pc.in > '$(DESTDIR)$(LIBDIR)/pkgconfig/iwasm.pc'
	$(fill_in) packaging/cmake/iwasmConfig.cmake.in > '$(DESTDIR)$(LIBDIR)/cmake/iwasm/iwasmConfig.cmake'
	$(fill_in) packaging/cmake/iwasmConfigVersion.cmake.in \
		> '$(DESTDIR)$(LIBDIR)/cmake/iwasm/iwasmConfigVersion.cmake'
	for program in $(PROGRAMS); do \
		$(INSTALL) -m 755 $$program '$(DESTDIR)$(BINDIR)' && \
		$(STRIP) "$(DESTDIR)$(BINDIR)/$${program##*/}" || exit 1; \
	done
	for manual in $(MANUALS); do \
		$(fill_in) $$manual > "$(DESTDIR)$(MANDIR)/man1/$${manual##*/}" || exit 1; \
	done
	@scripts/loader-hint.sh '$(DESTDIR)' '$(LIBDIR)' '$(API_MAJOR)'

uninstall:
	rm -f '$(DESTDIR)$(LIBDIR)'/libiwasm.so '$(DESTDIR)$(LIBDIR)'/libiwasm.so.$(API_MAJOR) \
		'$(DESTDIR)$(LIBDIR)'/libiwasm.so.$(API_VERSION) '$(DESTDIR)$(LIBDIR)'/libiwasm.a \
		'$(DESTDIR)$(LIBDIR)'/libwayfarer_compiler.so \
		'$(DESTDIR)$(LIBDIR)'/pkgconfig/iwasm.pc
	rm -f '$(DESTDIR)$(LIBDIR)'/cmake/iwasm/iwasmConfig.cmake \
		'$(DESTDIR)$(LIBDIR)'/cmake/iwasm/iwasmConfigVersion.cmake
	for header in $(notdir $(HEADERS)); do rm -f "$(DESTDIR)$(INCLUDEDIR)/$$header" || exit 1; done
	for program in iwasm wayfarer wamrc; do \
		rm -f "$(DESTDIR)$(BINDIR)/$$program" "$(DESTDIR)$(MANDIR)/man1/$$program.1" || exit 1; \
	done
	scripts/folders.sh remove '$(DESTDIR)' '$(FOLDERS)'
