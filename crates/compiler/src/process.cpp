// What LLVM does to its process, and must not: destructors when it exits, its end when an error is fatal; names of others'.

#include <cstdint>
#include <cstdio>

#include <cstdint>
#include <cstdio>

#include <llvm/Support/ErrorHandling.h>

// LLVM, which is linked statically, and this file register no destructors. The process may exit at any time, by any of its
// threads, while others compile; destructors would take away under them what they work with. Hidden: it is the C library's
// function for everything else in the process.
extern "C" __attribute__((visibility("hidden"))) int
__cxa_atexit(void (*)(void *), void *, void *)
{
    return 0;
}

// LLVM's part that announces code to gdb is not used, but linked, and would define these. In a program that loads code itself
// (crates/loader) they are defined there.
extern "C" {
__attribute__((weak, visibility("hidden"))) struct {
    std::uint32_t version, action;
    void *relevant, *first;
} __jit_debug_descriptor = {1, 0, nullptr, nullptr};

__attribute__((weak, visibility("hidden"))) void
__jit_debug_register_code()
{
}
}

namespace {

using Told = void (*)(void *context, const char *message);

// Who is told of this thread's fatal errors.
thread_local Told told = nullptr;
thread_local void *told_context = nullptr;

void
fatal(void *, const char *message, bool)
{
    if (told)
        told(told_context, message);
    // If it returns, or nobody is told, LLVM ends the process. It would have said so itself if there were no handler.
    std::fprintf(stderr, "LLVM ERROR: %s\n", message);
}

} // namespace

// Has `each` called with LLVM's fatal errors on this thread; null for nobody.
extern "C" void
wayfarer_on_fatal(Told each, void *context)
{
    static const bool installed = (llvm::install_fatal_error_handler(fatal), true);
    (void)installed;
    told = each;
    told_context = context;
}
