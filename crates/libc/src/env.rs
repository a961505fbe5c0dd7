//! Import module `env`: the list of its functions.

use crate::LibcFunction;
use crate::{ctype, stdio, stdlib, string, time};

/// The functions of import module `env`.
pub static FUNCTIONS: &[LibcFunction] = &[
    // stdio.h
    LibcFunction { name: "printf", signature: "($*)i", call: stdio::printf },
    LibcFunction { name: "sprintf", signature: "($$*)i", call: stdio::sprintf },
    LibcFunction { name: "snprintf", signature: "(*~$*)i", call: stdio::snprintf },
    // To the guest, a variadic call passes a pointer to its variable arguments: just what a `va_list` is.
    LibcFunction { name: "vprintf", signature: "($*)i", call: stdio::printf },
    LibcFunction { name: "vsprintf", signature: "($$*)i", call: stdio::sprintf },
    LibcFunction { name: "vsnprintf", signature: "(*~$*)i", call: stdio::snprintf },
    LibcFunction { name: "puts", signature: "($)i", call: stdio::puts },
    LibcFunction { name: "putchar", signature: "(i)i", call: stdio::putchar },
    // string.h
    LibcFunction { name: "memcmp", signature: "(**~)i", call: string::memcmp },
    LibcFunction { name: "memcpy", signature: "(**~)i", call: string::memmove },
    LibcFunction { name: "memmove", signature: "(**~)i", call: string::memmove },
    LibcFunction { name: "memset", signature: "(*ii)i", call: string::memset },
    LibcFunction { name: "memchr", signature: "(*ii)i", call: string::memchr },
    LibcFunction { name: "strchr", signature: "($i)i", call: string::strchr },
    LibcFunction { name: "strcmp", signature: "($$)i", call: string::strcmp },
    LibcFunction { name: "strcpy", signature: "(*$)i", call: string::strcpy },
    LibcFunction { name: "strlen", signature: "($)i", call: string::strlen },
    LibcFunction { name: "strncmp", signature: "(**~)i", call: string::strncmp },
    LibcFunction { name: "strncpy", signature: "(**~)i", call: string::strncpy },
    LibcFunction { name: "strncasecmp", signature: "($$i)i", call: string::strncasecmp },
    LibcFunction { name: "strspn", signature: "($$)i", call: string::strspn },
    LibcFunction { name: "strcspn", signature: "($$)i", call: string::strcspn },
    LibcFunction { name: "strstr", signature: "($$)i", call: string::strstr },
    LibcFunction { name: "strdup", signature: "($)i", call: string::strdup },
    LibcFunction { name: "_strdup", signature: "($)i", call: string::strdup },
    // stdlib.h
    LibcFunction { name: "malloc", signature: "(i)i", call: stdlib::malloc },
    LibcFunction { name: "realloc", signature: "(ii)i", call: stdlib::realloc },
    LibcFunction { name: "calloc", signature: "(ii)i", call: stdlib::calloc },
    LibcFunction { name: "free", signature: "(*)", call: stdlib::free },
    LibcFunction { name: "posix_memalign", signature: "(*ii)i", call: stdlib::posix_memalign },
    LibcFunction { name: "atoi", signature: "($)i", call: stdlib::atoi },
    LibcFunction { name: "strtol", signature: "($*i)i", call: stdlib::strtol },
    LibcFunction { name: "strtoul", signature: "($*i)i", call: stdlib::strtoul },
    LibcFunction { name: "exit", signature: "(i)", call: stdlib::exit },
    LibcFunction { name: "abort", signature: "(i)", call: stdlib::abort },
    // ctype.h
    LibcFunction { name: "isupper", signature: "(i)i", call: ctype::isupper },
    LibcFunction { name: "isalpha", signature: "(i)i", call: ctype::isalpha },
    LibcFunction { name: "isspace", signature: "(i)i", call: ctype::isspace },
    LibcFunction { name: "isgraph", signature: "(i)i", call: ctype::isgraph },
    LibcFunction { name: "isprint", signature: "(i)i", call: ctype::isprint },
    LibcFunction { name: "isdigit", signature: "(i)i", call: ctype::isdigit },
    LibcFunction { name: "isxdigit", signature: "(i)i", call: ctype::isxdigit },
    LibcFunction { name: "isalnum", signature: "(i)i", call: ctype::isalnum },
    LibcFunction { name: "tolower", signature: "(i)i", call: ctype::tolower },
    LibcFunction { name: "toupper", signature: "(i)i", call: ctype::toupper },
    // time.h
    LibcFunction { name: "clock_gettime", signature: "(i*)i", call: time::clock_gettime },
    LibcFunction { name: "clock", signature: "()I", call: time::clock },
    // Called by code that Emscripten and the C++ compilers make, not by people.
    LibcFunction { name: "emscripten_memcpy_big", signature: "(**~)i", call: string::memmove },
    LibcFunction { name: "abortStackOverflow", signature: "(i)", call: stdlib::abort_stack_overflow },
    LibcFunction { name: "nullFunc_X", signature: "(i)", call: stdlib::null_function },
    LibcFunction { name: "__cxa_allocate_exception", signature: "(i)i", call: stdlib::malloc },
    LibcFunction { name: "__cxa_begin_catch", signature: "(*)", call: stdlib::cxa_begin_catch },
    LibcFunction { name: "__cxa_throw", signature: "(**i)", call: stdlib::cxa_throw },
];
