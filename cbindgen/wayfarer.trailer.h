
#ifndef WAYFARER_H_SIZED
#define WAYFARER_H_SIZED

/* The functions that take wayfarer_checkpoint_args_t, told the size that it has in this header: so it can grow, and a host
 * compiled with an older or newer one than the library is understood or refused, never misread. Under these names the
 * library has functions for what was compiled when the arguments had their first size. */

static inline bool
wayfarer_checkpoint_request(wasm_module_inst_t module_inst, const wayfarer_checkpoint_args_t *args,
                            wayfarer_done_t done, void *user_data, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_checkpoint_request_sized(module_inst, args, sizeof(*args), done, user_data, error_buf,
                                             error_buf_size);
}

static inline bool
wayfarer_checkpoint(wasm_module_inst_t module_inst, const wayfarer_checkpoint_args_t *args,
                    wayfarer_report_t *report, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_checkpoint_sized(module_inst, args, sizeof(*args), report, error_buf, error_buf_size);
}

static inline bool
wayfarer_checkpoint_prepare(wasm_module_inst_t module_inst, const wayfarer_checkpoint_args_t *args,
                            wayfarer_done_t done, void *user_data, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_checkpoint_prepare_sized(module_inst, args, sizeof(*args), done, user_data, error_buf,
                                             error_buf_size);
}

static inline bool
wayfarer_store_checkpoint_request(struct wasm_store_t *store, const wayfarer_checkpoint_args_t *args,
                                  wayfarer_done_t done, void *user_data, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_store_checkpoint_request_sized(store, args, sizeof(*args), done, user_data, error_buf,
                                                   error_buf_size);
}

static inline bool
wayfarer_store_checkpoint(struct wasm_store_t *store, const wayfarer_checkpoint_args_t *args,
                          wayfarer_report_t *report, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_store_checkpoint_sized(store, args, sizeof(*args), report, error_buf, error_buf_size);
}

#endif /* WAYFARER_H_SIZED */
