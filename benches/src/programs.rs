//! What is run, and how much of it: sizes give a few tenths of a second to a second in an interpreter.

/// A program in `programs/`, called as `run(n)`.
#[derive(Debug)]
pub struct Program {
    pub name: &'static str,
    pub n: i32,
}

const fn program(name: &'static str, n: i32) -> Program {
    Program { name, n }
}

pub const PROGRAMS: &[Program] = &[
    program("ackermann", 200),
    program("atax", 200),
    program("base64", 500),
    program("binary_trees", 200),
    program("bytecode_vm", 20_000),
    program("coremark_like", 5000),
    program("crc32", 1000),
    program("fannkuch", 10),
    program("fib", 36),
    program("floyd_warshall", 10),
    program("gemm", 25),
    program("hash_mix", 20_000_000),
    program("hash_table", 10_000_000),
    program("heap_sort", 24),
    program("indirect_calls", 200_000),
    program("jacobi_2d", 300),
    program("json_tokens", 160_000),
    program("levenshtein", 160),
    program("lu", 15),
    program("mandelbrot", 1000),
    program("matmul", 40),
    program("matmul_simd", 140),
    program("nbody", 600_000),
    program("nqueens", 14),
    program("pointer_chase", 4_000_000),
    program("quick_sort", 40),
    program("sha256", 400),
    program("sieve", 40),
    program("strings", 1000),
    program("two_mm", 20),
];

/// A WASI command.
#[derive(Debug)]
pub struct Command {
    pub name: &'static str,
    pub args: &'static [&'static str],
}

/// Work for CPython: numbers, strings, dictionaries, a class, a generator. Fails if its result is wrong.
pub const CPYTHON_WORK: Command =
    Command { name: "cpython_work", args: &["python", "-c", include_str!("../programs/work.py")] };

/// CPython from its bytes to its exit, having imported what it always imports.
pub const CPYTHON: Command = Command { name: "cpython_start", args: &["python", "-c", "pass"] };
