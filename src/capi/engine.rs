//! The engine behind the C API.

use std::sync::{Arc, Mutex, PoisonError};

use wayfarer_runtime::Runtime;

/// Made when first needed, dropped with the last module and instance after the runtime is destroyed.
static RUNTIME: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

/// The runtime that modules are loaded into.
pub(crate) fn runtime() -> Arc<Runtime> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    runtime
        .get_or_insert_with(|| {
            let runtime = Runtime::new(Arc::new(wayfarer_native::NativeEngine));
            let _ = runtime.growth_failed.set(super::memory::guest_growth_failed);
            runtime
        })
        .clone()
}

/// Forgets the runtime; modules that are still loaded keep it.
pub(crate) fn clear() {
    RUNTIME.lock().unwrap_or_else(PoisonError::into_inner).take();
}
