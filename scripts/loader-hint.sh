#!/usr/bin/env bash
# Says what is left to do after `make install` for programs to find the library when they start.
# usage: loader-hint.sh DESTDIR LIBDIR API_MAJOR
set -euo pipefail
destdir=$1 libdir=$2 library=libiwasm.so.$3
ldconfig=$(PATH=$PATH:/sbin:/usr/sbin command -v ldconfig) || exit 0

# What is staged is for another place.
[ -z "$destdir" ] || exit 0
# The loader's cache has it, under this path.
if "$ldconfig" -p | grep -qF "=> $libdir/$library"; then
    exit 0
fi
# ldconfig itself says which folders it looks through.
if "$ldconfig" -v -N -X 2>/dev/null | grep -q "^$libdir:"; then
    echo "make install: run \"ldconfig\" as root, and programs that link libiwasm find it when they start"
else
    echo "make install: the loader does not look into $libdir: for programs that link libiwasm, add it to" \
        "/etc/ld.so.conf.d and run \"ldconfig\" as root, or set LD_LIBRARY_PATH, or link with -Wl,-rpath,$libdir"
fi
