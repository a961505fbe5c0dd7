/* What a finished checkpoint told: the last report, with a copy of its image. */
#ifndef REPORT_H
#define REPORT_H

#include "wayfarer.h"

#include "check.h"

static struct {
    int calls;
    bool ok;
    char error[512];
    void *image;
    uint64_t image_size, memory_size;
    wasm_module_inst_t inst;
    void *user_data;
} done;

CHECK_UNUSED void on_done(wasm_module_inst_t inst, const wayfarer_report_t *report, void *user_data)
{
    done.calls++;
    done.ok = report->ok;
    snprintf(done.error, sizeof done.error, "%s", report->error ? report->error : "");
    free(done.image);
    done.image = NULL;
    if (report->image) {
        done.image = malloc(report->image_size);
        memcpy(done.image, report->image, report->image_size);
    }
    done.image_size = report->image_size;
    done.memory_size = report->memory_size;
    done.inst = inst;
    done.user_data = user_data;
}

/* As if there had been none. */
CHECK_UNUSED void forget_done(void)
{
    free(done.image);
    memset(&done, 0, sizeof done);
}

#endif
