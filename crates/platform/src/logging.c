/* What prints in printf's way, among the functions that WAMR's library leaks. Exported by logging.rs. */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* Prints the stamp of a message, if its level is logged. */
HIDDEN bool
wayfarer_log_begin(uint32_t level);

HIDDEN void
wayfarer_bh_log(uint32_t level, const char *file, int line, const char *format, ...)
{
    va_list values;

    if (!wayfarer_log_begin(level))
        return;
    if (file)
        printf("%s, line %d, ", file, line);
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
}

HIDDEN int
wayfarer_os_printf(const char *format, ...)
{
    va_list values;
    int printed;

    va_start(values, format);
    printed = vprintf(format, values);
    va_end(values);
    return printed;
}

HIDDEN int
wayfarer_os_vprintf(const char *format, va_list values)
{
    return vprintf(format, values);
}
