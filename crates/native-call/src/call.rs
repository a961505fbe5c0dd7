//! A function with its calls prepared: how they are made is decided once, from its type.

use std::ffi::{CStr, c_void};

use libffi::low::{self, CodePtr};
use libffi::middle::{Cif, Type};
use smallvec::SmallVec;
use wayfarer_guest::GuestMemory;
use wayfarer_module::{FuncType, ValType};

use crate::registers::{self, Registers};
use crate::signature::{self, Param};
use crate::{Cell, References, vectors};

/// Text of the exception that an address outside linear memory raises.
const OUT_OF_BOUNDS: &str = "out of bounds memory access";

/// A native function as its host gave it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its address.
    pub func: *mut c_void,
    /// What is done with its parameters: see [`signature`]. Nothing, if it is missing or empty.
    pub signature: Option<&'a CStr>,
    /// It is `void f(exec_env, uint64_t *args)`: it finds its arguments in an array, and leaves its result there.
    pub raw: bool,
}

/// A native function with the call to it prepared.
pub struct NativeCall {
    func: *mut c_void,
    params: Box<[Param]>,
    ty: FuncType,
    how: How,
}

// SAFETY: the function is the host's, which said that guests may use it, on any thread; a `Cif` is only read.
unsafe impl Send for NativeCall {}
// SAFETY: as above.
unsafe impl Sync for NativeCall {}

enum How {
    /// `void f(exec_env, uint64_t *args)`
    Raw,
    /// `ret f(exec_env, args...)` with all of it in registers for integers, and none of it an address or a reference.
    Integers,
    /// `ret f(exec_env, args...)` with all of it in registers.
    Registers,
    /// `ret f(exec_env, args...)`
    Ffi(Cif),
    /// The same with vectors among parameters or result, which libffi does not know.
    Vector,
}

/// Why a native function cannot be linked to an import.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkError {
    /// The signature does not fit the type.
    Signature(String),
    /// Vectors are passed in a way that is not implemented for this architecture, or there are too many arguments.
    Vector,
}

impl NativeCall {
    /// Prepares calls of a function as one of this type.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn new(target: Target<'_>, ty: &FuncType) -> Result<Self, LinkError> {
        let text = target.signature.map(CStr::to_string_lossy);
        let params = match text.as_deref() {
            None | Some("") => signature::unchecked(ty),
            Some(text) => signature::parse(text, ty).ok_or_else(|| LinkError::Signature(text.to_owned()))?,
        };
        let has_vector = ty.params.iter().chain(&ty.results).any(|&t| t == ValType::V128);
        let how = if target.raw {
            How::Raw
        } else if has_vector {
            if !vectors::possible(ty) {
                return Err(LinkError::Vector);
            }
            How::Vector
        } else if registers::integers(ty) && params.iter().all(|&param| param == Param::Value) {
            How::Integers
        } else if registers::possible(ty) {
            How::Registers
        } else {
            How::Ffi(cif(&params, ty))
        };
        Ok(NativeCall { func: target.func, params, ty: ty.clone(), how })
    }

    /// Calls the function: arguments are read from `slots`, results written over them from slot 0. If the function sets
    /// `again`, it is to be called with these arguments again: they stay, and there are no results.
    ///
    /// # Errors
    /// The text of an exception; the function was not called then.
    ///
    /// # Safety
    /// `exec_env` is what the function may be given. The function is what its [`Target`] and type say.
    #[inline]
    pub unsafe fn call(
        &self,
        exec_env: *mut c_void,
        memory: &GuestMemory<'_>,
        references: &dyn References,
        slots: &mut [u64],
        again: &std::cell::Cell<bool>,
    ) -> Result<(), &'static str> {
        if let How::Integers = self.how {
            // SAFETY: passed on; `new` checked that it is possible.
            let result = unsafe { registers::call_integers(self.func, exec_env, slots) };
            if let (Some(&ty), false) = (self.ty.results.first(), again.get()) {
                slots[0] = if ty == ValType::I32 { u64::from(result as u32) } else { result };
            }
            return Ok(());
        }
        if let How::Registers = self.how {
            let registers = self.registers(memory, references, slots)?;
            // SAFETY: passed on; `new` checked that it is possible.
            let cell = unsafe { registers::call(self.func, exec_env, &registers, &self.ty) };
            if let (Some(&ty), false) = (self.ty.results.first(), again.get()) {
                slots[0] = self.result(references, ty, cell);
            }
            return Ok(());
        }
        let args = self.arguments(memory, references, slots)?;
        let mut results: SmallVec<[Cell; 4]> = SmallVec::from_elem(Cell::ZERO, self.ty.results.len());
        match &self.how {
            // SAFETY: passed on.
            How::Raw => unsafe { self.call_raw(exec_env, &args, &mut results) },
            // SAFETY: passed on; the cif was made for these parameters and results.
            How::Ffi(cif) => unsafe { self.call_ffi(cif, exec_env, args, &mut results) },
            How::Integers | How::Registers => {}
            // SAFETY: passed on; `new` checked that it is possible.
            How::Vector => unsafe { vectors::call(self.func, exec_env, &self.ty, &args, &mut results) },
        }
        if again.get() {
            return Ok(());
        }
        let mut at = 0;
        for (&ty, cell) in self.ty.results.iter().zip(results) {
            if ty == ValType::V128 {
                // SAFETY: every bit pattern is a value of every member.
                slots[at..at + 2].copy_from_slice(&vector_slots(unsafe { cell.v128 }));
                at += 2;
            } else {
                slots[at] = self.result(references, ty, cell);
                at += 1;
            }
        }
        Ok(())
    }

    /// The slot for a result that is no vector.
    fn result(&self, references: &dyn References, ty: ValType, cell: Cell) -> u64 {
        // SAFETY: every bit pattern is a value of every member.
        unsafe {
            match ty {
                ValType::ExternRef => references.object_slot(cell.pointer),
                ValType::FuncRef => references.func_slot(cell.u32),
                _ => cell.bits(ty),
            }
        }
    }

    /// The arguments in the registers where they are passed.
    fn registers(
        &self,
        memory: &GuestMemory<'_>,
        references: &dyn References,
        slots: &[u64],
    ) -> Result<Registers, &'static str> {
        let mut registers = Registers::default();
        for (at, (&ty, &param)) in self.ty.params.iter().zip(&self.params).enumerate() {
            let cell = argument(memory, references, ty, param, &slots[at..])?;
            registers.add(ty, cell);
        }
        Ok(registers)
    }

    /// The arguments as C has them, addresses checked and converted.
    fn arguments(
        &self,
        memory: &GuestMemory<'_>,
        references: &dyn References,
        slots: &[u64],
    ) -> Result<SmallVec<[Cell; 16]>, &'static str> {
        let mut cells = SmallVec::new();
        let mut at = 0;
        for (&ty, &param) in self.ty.params.iter().zip(&self.params) {
            cells.push(argument(memory, references, ty, param, &slots[at..])?);
            at += ty.slots() as usize;
        }
        Ok(cells)
    }

    /// # Safety
    /// As [`NativeCall::call`].
    unsafe fn call_raw(&self, exec_env: *mut c_void, args: &[Cell], results: &mut [Cell]) {
        // One 64-bit cell each, two for a vector; a narrower value stands at the cell's first bytes, where
        // `native_raw_get_arg` looks for it.
        let mut cells: SmallVec<[u64; 16]> = SmallVec::new();
        for (&ty, cell) in self.ty.params.iter().zip(args) {
            // SAFETY: every bit pattern is a value of every member, and all of a cell is initialized.
            let words = unsafe { cell.v128 };
            cells.extend_from_slice(&words[..ty.slots() as usize]);
        }
        cells.resize(cells.len().max(self.ty.result_slots() as usize).max(1), 0);
        // SAFETY: a raw native has this type; the host vouches for it.
        unsafe {
            let func: unsafe extern "C" fn(*mut c_void, *mut u64) = std::mem::transmute(self.func);
            func(exec_env, cells.as_mut_ptr());
        }
        let mut at = 0;
        for (&ty, result) in self.ty.results.iter().zip(results) {
            let second = if ty == ValType::V128 { cells[at + 1] } else { 0 };
            result.v128 = [cells[at], second];
            at += ty.slots() as usize;
        }
    }

    /// # Safety
    /// As [`NativeCall::call`]; `cif` and the number of results are this function's.
    unsafe fn call_ffi(
        &self,
        cif: &Cif,
        exec_env: *mut c_void,
        mut args: SmallVec<[Cell; 16]>,
        results: &mut SmallVec<[Cell; 4]>,
    ) {
        // Results after the first are written through pointers that follow the arguments.
        for result in results.iter_mut().skip(1) {
            args.push(Cell { pointer: (&raw mut *result) as usize });
        }
        let mut exec_env = exec_env;
        let mut values: SmallVec<[*mut c_void; 16]> = SmallVec::with_capacity(args.len() + 1);
        values.push((&raw mut exec_env).cast());
        values.extend(args.iter_mut().map(|cell| (&raw mut *cell).cast::<c_void>()));
        let (cif, func, values) = (cif.as_raw_ptr(), CodePtr::from_ptr(self.func), values.as_mut_ptr());
        // SAFETY: the values are as the cif says, each at its address; the result's type too.
        unsafe {
            match self.ty.results.first() {
                None => low::call::<()>(cif, func, values),
                Some(ValType::I32 | ValType::FuncRef) => results[0].u32 = low::call::<u32>(cif, func, values),
                Some(ValType::I64) => results[0].u64 = low::call::<u64>(cif, func, values),
                Some(ValType::F32) => results[0].f32 = low::call::<f32>(cif, func, values).to_bits(),
                Some(ValType::F64) => results[0].u64 = low::call::<f64>(cif, func, values).to_bits(),
                Some(ValType::ExternRef) => {
                    results[0].pointer = low::call::<*mut c_void>(cif, func, values) as usize;
                }
                Some(ValType::V128) => {}
            }
        }
    }
}

/// An argument as C has it, from its slot, which is the first of `slots`; an address checked and converted.
fn argument(
    memory: &GuestMemory<'_>,
    references: &dyn References,
    ty: ValType,
    param: Param,
    slots: &[u64],
) -> Result<Cell, &'static str> {
    let slot = slots[0];
    let address = u64::from(slot as u32);
    let mut cell = Cell::ZERO;
    match param {
        Param::Pointer => cell.pointer = buffer(memory, address, 1)?,
        // The signature parser saw to it that the length is the next parameter.
        Param::Buffer => cell.pointer = buffer(memory, address, u64::from(slots[1] as u32))?,
        Param::Str => cell.pointer = string(memory, address)?,
        Param::Value => match ty {
            ValType::I32 | ValType::F32 => cell.u32 = slot as u32,
            ValType::I64 | ValType::F64 => cell.u64 = slot,
            ValType::V128 => cell.v128 = vector_slots([slot, slots[1]]),
            ValType::ExternRef => cell.pointer = references.object(slot),
            ValType::FuncRef => cell.u32 = references.func_index(slot),
        },
    }
    Ok(cell)
}

/// A vector between its two slots, low half first, and the 16 bytes that C sees, which are in the order they have in
/// linear memory.
fn vector_slots(v: [u64; 2]) -> [u64; 2] {
    v.map(u64::to_le)
}

fn cif(params: &[Param], ty: &FuncType) -> Cif {
    let params = params.iter().zip(&ty.params).map(|(&param, &ty)| match param {
        Param::Value => ffi_type(ty),
        _ => Type::pointer(),
    });
    let more_results = ty.results.iter().skip(1).map(|_| Type::pointer());
    let args: Vec<Type> = std::iter::once(Type::pointer()).chain(params).chain(more_results).collect();
    Cif::new(args, ty.results.first().map_or(Type::void(), |&ty| ffi_type(ty)))
}

fn ffi_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 | ValType::FuncRef => Type::u32(),
        ValType::I64 => Type::u64(),
        ValType::F32 => Type::f32(),
        ValType::F64 => Type::f64(),
        // Vectors never come here: such functions are called by `vectors`.
        ValType::ExternRef | ValType::V128 => Type::pointer(),
    }
}

fn buffer(memory: &GuestMemory<'_>, address: u64, len: u64) -> Result<usize, &'static str> {
    let pointer = memory.range(address, len).map_err(|_| OUT_OF_BOUNDS)?;
    // Nothing is at the end of memory, so an empty buffer there has no address.
    Ok(if address == memory.len() { 0 } else { pointer as usize })
}

fn string(memory: &GuestMemory<'_>, address: u64) -> Result<usize, &'static str> {
    let left = memory.len().checked_sub(address).ok_or(OUT_OF_BOUNDS)?;
    let start = memory.range(address, left).map_err(|_| OUT_OF_BOUNDS)?;
    // SAFETY: `left` bytes from `start` are inside linear memory.
    let end = unsafe { libc::memchr(start.cast(), 0, left as usize) };
    if end.is_null() { Err(OUT_OF_BOUNDS) } else { Ok(start as usize) }
}
