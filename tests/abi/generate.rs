//! Makes the public headers from the Rust source.

use std::path::Path;

use cbindgen::{Builder, Config};

/// A header: its name, its include guard, what of the source goes into it, and what of that is left out because it is
/// in the header's own text.
struct Header {
    name: &'static str,
    guard: &'static str,
    /// Modules of `src/capi`, `crates/c-data`, `crates/native-call` and `crates/platform`.
    sources: &'static [&'static str],
    item_types: &'static [cbindgen::ItemType],
    prefix: &'static str,
    exclude: &'static [&'static str],
    /// Types that no function mentions.
    include: &'static [&'static str],
    /// Structs that another header declares, without a typedef.
    structs: &'static [&'static str],
}

const ALL: &[cbindgen::ItemType] = &[
    cbindgen::ItemType::Enums,
    cbindgen::ItemType::Structs,
    cbindgen::ItemType::Typedefs,
    cbindgen::ItemType::Functions,
];

const HEADERS: &[Header] = &[
    Header {
        name: "lib_export",
        guard: "_LIB_EXPORT_H_",
        sources: &["native-call/registry", "lib_export"],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "wasm_export",
        guard: "_WASM_EXPORT_H",
        sources: &[
            "c-data/kinds",
            "c-data/records",
            "types",
            "init",
            "platform/log",
            "platform/alloc",
            "c-data/package",
            "load",
            "wasi",
            "instantiate",
            "instance",
            "introspect",
            "c-data/module_types",
            "functions",
            "exec_env",
            "guest_threads",
            "blocking",
            "call",
            "execute",
            "exception",
            "natives",
            "memory",
            "globals_tables",
            "externref",
            "context",
            "diagnostics",
            "call_stack",
            "unsupported",
        ],
        item_types: ALL,
        prefix: "WASM_RUNTIME_API_EXTERN",
        exclude: &[
            "LoadArgs",
            "InstantiationArgs",
            "MemAllocOption",
            "MemAllocPool",
            "MemAllocFunctions",
            "bh_log_set_verbose_level",
            "mem_alloc_type_t",
            "mem_alloc_usage_t",
            "os_set_signal_number_for_blocking_op",
            "wasm_export_t",
            "wasm_extern_type_u",
            "wasm_import_export_kind_t",
            "wasm_import_t",
            "wasm_thread_t",
            "wasm_val_t",
            "wasm_val_u",
            "wasm_valkind_enum",
            "wasm_valkind_t",
        ],
        include: &["aot_section_t", "aot_section_list_t"],
        structs: &[],
    },
    Header {
        name: "wasm_c_api",
        guard: "_WASM_C_API_H_",
        sources: &[
            "c-data/config",
            "wasm_c_api/engine",
            "wasm_c_api/store",
            "c-data/types",
            "c-data/imports",
            "wasm_c_api/linked",
            "c-data/exports",
            "wasm_c_api/values",
            "wasm_c_api/trap",
            "wasm_c_api/module",
            "wasm_c_api/func",
            "wasm_c_api/externs",
            "wasm_c_api/instance",
        ],
        item_types: &[cbindgen::ItemType::Functions],
        prefix: "WASM_API_EXTERN",
        exclude: &[
            "wasm_config_delete",
            "wasm_engine_delete",
            "wasm_engine_new_with_args",
            "wasm_externtype_copy",
            "wasm_externtype_delete",
            "wasm_frame_copy",
            "wasm_frame_delete",
            "wasm_store_delete",
            "wasm_val_copy",
            "wasm_val_delete",
        ],
        include: &[],
        structs: &[],
    },
    Header {
        name: "wayfarer",
        guard: "WAYFARER_H",
        sources: &[
            "wayfarer",
            "wayfarer_natives",
            "wayfarer_store",
            "wayfarer_watch",
            "deterministic",
            "wasi_files",
            "record",
            "stdio_map",
            "record",
        ],
        item_types: ALL,
        prefix: "WASM_RUNTIME_API_EXTERN",
        exclude: &[
            "wayfarer_writer_t",
            "wayfarer_checkpoint",
            "wayfarer_checkpoint_prepare",
            "wayfarer_checkpoint_request",
            "wayfarer_store_checkpoint",
            "wayfarer_store_checkpoint_request",
        ],
        include: &[],
        structs: &[
            "InstantiationArgs2",
            "wasm_store_t",
            "wasm_instance_t",
            "wasm_trap_t",
            "wasm_extern_vec_t",
            "wasm_val_vec_t",
        ],
    },
];

/// What hosts made from WAMR's samples include beside the public headers.
const HELPERS: &[Header] = &[
    Header {
        name: "bh_platform",
        guard: "_BH_PLATFORM_H",
        sources: &[],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "platform_internal",
        guard: "_PLATFORM_INTERNAL_H",
        sources: &[],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "platform_common",
        guard: "_PLATFORM_COMMON_H",
        sources: &[],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "platform_api_vmcore",
        guard: "_PLATFORM_API_VMCORE_H",
        sources: &["platform/memory", "platform/clock"],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "platform_api_extension",
        guard: "PLATFORM_API_EXTENSION_H",
        sources: &["platform/threads", "platform/sync"],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_assert",
        guard: "_BH_ASSERT_H",
        sources: &[],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_common",
        guard: "_BH_COMMON_H",
        sources: &["platform/strings"],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_log",
        guard: "_BH_LOG_H",
        sources: &["platform/logging"],
        item_types: ALL,
        prefix: "",
        exclude: &["bh_assert_internal", "bh_log", "os_printf", "os_vprintf"],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_list",
        guard: "_BH_LIST_H",
        sources: &["platform/list"],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_vector",
        guard: "_WASM_VECTOR_H",
        sources: &["platform/vector"],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_hashmap",
        guard: "WASM_HASHMAP_H",
        sources: &["platform/hash_map"],
        item_types: ALL,
        prefix: "",
        exclude: &["HashMap"],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_queue",
        guard: "_BH_QUEUE_H",
        sources: &["platform/queue"],
        item_types: ALL,
        prefix: "",
        exclude: &["bh_queue", "bh_queue_node", "bh_message_t"],
        include: &["bh_msg_cleaner"],
        structs: &[],
    },
    Header {
        name: "runtime_timer",
        guard: "LIB_BASE_RUNTIME_TIMER_H_",
        sources: &["platform/ticks"],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_read_file",
        guard: "_BH_FILE_H",
        sources: &[],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
    Header {
        name: "bh_getopt",
        guard: "GETOPT_H__",
        sources: &[],
        item_types: ALL,
        prefix: "",
        exclude: &[],
        include: &[],
        structs: &[],
    },
];

/// The headers as they should be: file name and text.
pub(crate) fn headers(root: &Path) -> Result<Vec<(String, String)>, String> {
    HEADERS.iter().chain(HELPERS).map(|h| Ok((format!("{}.h", h.name), generate(root, h)?))).collect()
}

fn generate(root: &Path, header: &Header) -> Result<String, String> {
    let texts = root.join("cbindgen");
    let read = |name: String| std::fs::read_to_string(texts.join(&name)).map_err(|e| format!("{name}: {e}"));
    let mut config = Config::from_file(texts.join("common.toml"))?;
    config.header = Some(read("license.h".into())?.trim_end().to_owned());
    config.include_guard = Some(header.guard.to_owned());
    config.after_includes = Some(read(format!("{}.h", header.name))?.trim_end().to_owned());
    let trailer = texts.join(format!("{}.trailer.h", header.name));
    if trailer.exists() {
        config.trailer = Some(read(format!("{}.trailer.h", header.name))?.trim_end().to_owned());
    }
    config.export.item_types = header.item_types.to_vec();
    config.export.exclude = header.exclude.iter().map(|&name| name.to_owned()).collect();
    config.export.include = header.include.iter().map(|&name| name.to_owned()).collect();
    let renamed = header.structs.iter().map(|&name| (name.to_owned(), format!("struct {name}")));
    config.export.rename = renamed.collect();
    config.function.prefix = (!header.prefix.is_empty()).then(|| header.prefix.to_owned());
    let builder = header.sources.iter().fold(Builder::new().with_config(config), |builder, source| {
        let path = match source.split_once('/') {
            Some((name @ ("c-data" | "native-call" | "platform"), module)) => {
                format!("crates/{name}/src/{module}.rs")
            }
            _ => format!("src/capi/{source}.rs"),
        };
        builder.with_src(root.join(path))
    });
    let bindings = builder.generate().map_err(|e| format!("{}: {e}", header.name))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    // A heading of Rust's documentation; what stands under it is as well said without.
    Ok(String::from_utf8(text).map_err(|e| e.to_string())?.replace(" * # Safety\n", ""))
}
