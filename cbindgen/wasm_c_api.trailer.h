#ifdef __cplusplus
extern "C" {
#endif

static inline bool
wasm_valkind_is_num(wasm_valkind_t k)
{
    return k < WASM_EXTERNREF;
}

static inline bool
wasm_valkind_is_ref(wasm_valkind_t k)
{
    return k >= WASM_EXTERNREF;
}

static inline bool
wasm_valtype_is_num(const wasm_valtype_t *t)
{
    return wasm_valkind_is_num(wasm_valtype_kind(t));
}

static inline bool
wasm_valtype_is_ref(const wasm_valtype_t *t)
{
    return wasm_valkind_is_ref(wasm_valtype_kind(t));
}

static inline own wasm_valtype_t *
wasm_valtype_new_i32(void)
{
    return wasm_valtype_new(WASM_I32);
}

static inline own wasm_valtype_t *
wasm_valtype_new_i64(void)
{
    return wasm_valtype_new(WASM_I64);
}

static inline own wasm_valtype_t *
wasm_valtype_new_f32(void)
{
    return wasm_valtype_new(WASM_F32);
}

static inline own wasm_valtype_t *
wasm_valtype_new_f64(void)
{
    return wasm_valtype_new(WASM_F64);
}

static inline own wasm_valtype_t *
wasm_valtype_new_v128(void)
{
    return wasm_valtype_new(WASM_V128);
}

static inline own wasm_valtype_t *
wasm_valtype_new_anyref(void)
{
    return wasm_valtype_new(WASM_EXTERNREF);
}

static inline own wasm_valtype_t *
wasm_valtype_new_funcref(void)
{
    return wasm_valtype_new(WASM_FUNCREF);
}

/* wasm_functype_new_P_R: a function type of P parameters and R results, which takes their types over. */

static inline own wasm_functype_t *
wasm_functype_new_0_0(void)
{
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new_empty(&params);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_1_0(own wasm_valtype_t *p)
{
    wasm_valtype_t *ps[1] = { p };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 1, ps);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_2_0(own wasm_valtype_t *p1, own wasm_valtype_t *p2)
{
    wasm_valtype_t *ps[2] = { p1, p2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 2, ps);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_3_0(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3)
{
    wasm_valtype_t *ps[3] = { p1, p2, p3 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 3, ps);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_0_1(own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new_empty(&params);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_1_1(own wasm_valtype_t *p, own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_t *ps[1] = { p };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 1, ps);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_2_1(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_t *ps[2] = { p1, p2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 2, ps);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_3_1(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3, own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_t *ps[3] = { p1, p2, p3 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 3, ps);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_0_2(own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new_empty(&params);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_1_2(own wasm_valtype_t *p, own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_t *ps[1] = { p };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 1, ps);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_2_2(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_t *ps[2] = { p1, p2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 2, ps);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_3_2(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3, own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_t *ps[3] = { p1, p2, p3 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 3, ps);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

/* A host pointer as a value, as wide as a pointer is. */
static inline void
wasm_val_init_ptr(own wasm_val_t *out, void *p)
{
#if UINTPTR_MAX == UINT32_MAX
    out->kind = WASM_I32;
    out->of.i32 = (int32_t)(intptr_t)p;
#else
    out->kind = WASM_I64;
    out->of.i64 = (int64_t)(intptr_t)p;
#endif
}

static inline void *
wasm_val_ptr(const wasm_val_t *val)
{
#if UINTPTR_MAX == UINT32_MAX
    return (void *)(intptr_t)val->of.i32;
#else
    return (void *)(intptr_t)val->of.i64;
#endif
}

/* Initializers. */
#define WASM_EMPTY_VEC { 0, NULL, 0, 0, NULL }
#define WASM_ARRAY_VEC(array) \
    { sizeof(array) / sizeof(*(array)), array, sizeof(array) / sizeof(*(array)), sizeof(*(array)), NULL }

#define WASM_I32_VAL(i) { .kind = WASM_I32, ._paddings = { 0 }, .of = { .i32 = i } }
#define WASM_I64_VAL(i) { .kind = WASM_I64, ._paddings = { 0 }, .of = { .i64 = i } }
#define WASM_F32_VAL(z) { .kind = WASM_F32, ._paddings = { 0 }, .of = { .f32 = z } }
#define WASM_F64_VAL(z) { .kind = WASM_F64, ._paddings = { 0 }, .of = { .f64 = z } }
#define WASM_REF_VAL(r) { .kind = WASM_EXTERNREF, ._paddings = { 0 }, .of = { .ref = r } }
#define WASM_INIT_VAL { .kind = WASM_EXTERNREF, ._paddings = { 0 }, .of = { .ref = NULL } }

#define KILOBYTE(n) ((n) * 1024)

#ifdef __cplusplus
}
#endif
