//! A module with every instruction that can give a NaN, on operands of all kinds, and what each has to give in deterministic
//! mode: computed here in another way, from what the specification says.

use std::fmt::Write;

/// What the operands are: NaNs of both signs, quiet and signalling, and numbers.
pub(crate) const SINGLES: [u32; 11] = [
    0x7fc0_0001,
    0xffc0_0002,
    0x7f80_0001,
    0xff81_2345,
    0,
    0x8000_0000,
    0x3f80_0000,
    0x7f80_0000,
    0xff80_0000,
    1,
    0xc049_0fdb,
];

/// The same in double precision.
pub(crate) const DOUBLES: [u64; 11] = [
    0x7ff8_0000_0000_0001,
    0xfff8_0000_0000_0002,
    0x7ff0_0000_0000_0001,
    0xfff0_1234_5678_9abc,
    0,
    1 << 63,
    0x3ff0_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    1,
    0xc009_21fb_5444_2d18,
];

/// Where the functions find their operands once more, in memory: a, b, c, d.
pub(crate) const OPERANDS: u32 = 16;

/// Operands of a call: `a`, `b` single, `c`, `d` double.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) c: u64,
    pub(crate) d: u64,
}

/// What a function gives, if its operands are these.
type Expected = Box<dyn Fn(Args) -> u64>;

/// A function from the operands to 64 bits.
pub(crate) struct Case {
    pub(crate) body: String,
    pub(crate) expected: Expected,
    /// The specification leaves nothing open: it gives this in every mode.
    pub(crate) fixed: bool,
}

/// Instructions that keep a NaN's bits.
const KEEP: [&str; 5] = ["abs", "neg", "copysign", "pmin", "pmax"];

/// What there is of two types.
trait Float: Copy + PartialOrd + 'static {
    const NAME: &'static str;
    /// Its operands: in locals, in memory.
    const PLACES: [&'static str; 4];
    const CONSTANTS: &'static [&'static str];
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
    fn operands(args: Args) -> [u64; 2];
    fn constant(text: &str) -> u64;
    fn arithmetic(op: &str, x: Self, y: Self) -> Self;
    fn unary(op: &str, x: Self) -> Self;
    const CANONICAL: u64;
    const SIGN: u64;
    /// The bits as an i64.
    fn as_i64(text: &str) -> String;
}

impl Float for f32 {
    const NAME: &'static str = "f32";
    const PLACES: [&'static str; 4] = [
        "(local.get $a)",
        "(local.get $b)",
        "(f32.load offset=16 (i32.const 0))",
        "(f32.load (i32.const 20))",
    ];
    const CONSTANTS: &'static [&'static str] =
        &["nan:0x200123", "-nan:0x300777", "0", "-0", "1", "-2", "inf"];
    const CANONICAL: u64 = 0x7fc0_0000;
    const SIGN: u64 = 1 << 31;
    fn of(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
    fn operands(args: Args) -> [u64; 2] {
        [args.a.into(), args.b.into()]
    }
    fn constant(text: &str) -> u64 {
        match text {
            "nan:0x200123" => 0x7fa0_0123,
            "-nan:0x300777" => 0xffb0_0777,
            number => number.parse::<f32>().unwrap().to_bits().into(),
        }
    }
    fn arithmetic(op: &str, x: f32, y: f32) -> f32 {
        match op {
            "add" => x + y,
            "sub" => x - y,
            "mul" => x * y,
            "div" => x / y,
            _ => unreachable!("{op}"),
        }
    }
    fn unary(op: &str, x: f32) -> f32 {
        match op {
            "sqrt" => x.sqrt(),
            "ceil" => x.ceil(),
            "floor" => x.floor(),
            "trunc" => x.trunc(),
            "nearest" => x.round_ties_even(),
            _ => unreachable!("{op}"),
        }
    }
    fn as_i64(text: &str) -> String {
        format!("(i64.extend_i32_u (i32.reinterpret_f32 {text}))")
    }
}

impl Float for f64 {
    const NAME: &'static str = "f64";
    const PLACES: [&'static str; 4] = [
        "(local.get $c)",
        "(local.get $d)",
        "(f64.load offset=24 (i32.const 0))",
        "(f64.load (i32.const 32))",
    ];
    const CONSTANTS: &'static [&'static str] =
        &["nan:0x4000000000123", "-nan:0x8000000000777", "0", "-0", "1", "-2", "inf"];
    const CANONICAL: u64 = 0x7ff8_0000_0000_0000;
    const SIGN: u64 = 1 << 63;
    fn of(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn operands(args: Args) -> [u64; 2] {
        [args.c, args.d]
    }
    fn constant(text: &str) -> u64 {
        match text {
            "nan:0x4000000000123" => 0x7ff4_0000_0000_0123,
            "-nan:0x8000000000777" => 0xfff8_0000_0000_0777,
            number => number.parse::<f64>().unwrap().to_bits(),
        }
    }
    fn arithmetic(op: &str, x: f64, y: f64) -> f64 {
        match op {
            "add" => x + y,
            "sub" => x - y,
            "mul" => x * y,
            "div" => x / y,
            _ => unreachable!("{op}"),
        }
    }
    fn unary(op: &str, x: f64) -> f64 {
        match op {
            "sqrt" => x.sqrt(),
            "ceil" => x.ceil(),
            "floor" => x.floor(),
            "trunc" => x.trunc(),
            "nearest" => x.round_ties_even(),
            _ => unreachable!("{op}"),
        }
    }
    fn as_i64(text: &str) -> String {
        format!("(i64.reinterpret_f64 {text})")
    }
}

#[expect(clippy::eq_op, reason = "only a NaN is not itself")]
fn is_nan<T: Float>(x: T) -> bool {
    x != x
}

/// The bits of a result that is left open if it is a NaN.
fn canonical<T: Float>(x: T) -> u64 {
    if is_nan(x) { T::CANONICAL } else { x.bits() }
}

/// An instruction with two operands.
fn binary<T: Float>(op: &str, x: u64, y: u64) -> u64 {
    let (fx, fy) = (T::of(x), T::of(y));
    match op {
        // Bits, whatever they stand for.
        "copysign" => x & !T::SIGN | y & T::SIGN,
        "pmin" => {
            if fy < fx {
                y
            } else {
                x
            }
        }
        "pmax" => {
            if fx < fy {
                y
            } else {
                x
            }
        }
        "min" | "max" if is_nan(fx) || is_nan(fy) => T::CANONICAL,
        // Zeros of both signs are equal.
        "min" if fx == fy => x | y,
        "max" if fx == fy => x & y,
        "min" => {
            if fx < fy {
                x
            } else {
                y
            }
        }
        "max" => {
            if fx > fy {
                x
            } else {
                y
            }
        }
        _ => canonical(T::arithmetic(op, fx, fy)),
    }
}

/// An instruction with one operand.
fn unary<T: Float>(op: &str, x: u64) -> u64 {
    match op {
        "abs" => x & !T::SIGN,
        "neg" => x ^ T::SIGN,
        "sqrt" if T::of(x) < T::of(0) => T::CANONICAL,
        _ => canonical(T::unary(op, T::of(x))),
    }
}

/// An operand: its text, and its bits.
#[derive(Clone)]
enum Operand {
    /// In a local or in memory: the first or second.
    Place(&'static str, usize),
    Constant(&'static str),
    Negative(&'static str, usize),
}

impl Operand {
    fn text<T: Float>(&self) -> String {
        match self {
            Operand::Place(text, _) => (*text).to_owned(),
            Operand::Constant(value) => format!("({}.const {value})", T::NAME),
            Operand::Negative(text, _) => format!("({}.neg {text})", T::NAME),
        }
    }

    fn bits<T: Float>(&self, args: Args) -> u64 {
        match self {
            Operand::Place(_, nth) => T::operands(args)[*nth],
            Operand::Constant(value) => T::constant(value),
            Operand::Negative(_, nth) => T::operands(args)[*nth] ^ T::SIGN,
        }
    }
}

/// Pairs of operands as programs have them.
fn pairs<T: Float>() -> Vec<[Operand; 2]> {
    let [first, second, first_in_memory, second_in_memory] = T::PLACES;
    let (x, y) = (Operand::Place(first, 0), Operand::Place(second, 1));
    let mut pairs = vec![
        [x.clone(), y.clone()],
        [y.clone(), x.clone()],
        [x.clone(), x.clone()],
        [Operand::Place(first_in_memory, 0), y.clone()],
        [x.clone(), Operand::Place(second_in_memory, 1)],
        [Operand::Negative(first, 0), y.clone()],
        [x.clone(), Operand::Negative(second, 1)],
    ];
    for constant in T::CONSTANTS {
        pairs.push([Operand::Constant(constant), y.clone()]);
        pairs.push([x.clone(), Operand::Constant(constant)]);
    }
    // What compilers do themselves.
    for (one, other) in [("0", "0"), ("inf", "inf"), ("0", "inf"), ("-2", "nan:0x200123")] {
        if T::CONSTANTS.contains(&other) {
            pairs.push([Operand::Constant(one), Operand::Constant(other)]);
        }
    }
    pairs
}

const ARITHMETIC: [&str; 6] = ["add", "sub", "mul", "div", "min", "max"];
const UNARY: [&str; 7] = ["abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest"];

fn scalars<T: Float>(cases: &mut Vec<Case>) {
    for op in ARITHMETIC.into_iter().chain(["copysign"]) {
        for [x, y] in pairs::<T>() {
            let text = format!("({}.{op} {} {})", T::NAME, x.text::<T>(), y.text::<T>());
            cases.push(Case {
                body: T::as_i64(&text),
                fixed: KEEP.contains(&op),
                expected: Box::new(move |args| binary::<T>(op, x.bits::<T>(args), y.bits::<T>(args))),
            });
        }
    }
    for op in UNARY {
        let operands = T::CONSTANTS.iter().map(|constant| Operand::Constant(constant));
        let operands =
            operands.chain(T::PLACES.iter().zip([0, 1, 0, 1]).map(|(p, nth)| Operand::Place(p, nth)));
        for x in operands {
            let text = format!("({}.{op} {})", T::NAME, x.text::<T>());
            let expected = move |args| unary::<T>(op, x.bits::<T>(args));
            cases.push(Case {
                body: T::as_i64(&text),
                fixed: KEEP.contains(&op),
                expected: Box::new(expected),
            });
        }
        // Of a result, and with the sign changed: a NaN's, too.
        for after in ARITHMETIC {
            let [x, y, ..] = T::PLACES;
            let name = T::NAME;
            let text = format!("({name}.neg ({name}.{after} ({name}.{op} {x}) ({name}.mul {y} {x})))");
            let expected = move |args: Args| {
                let [x, y] = T::operands(args);
                binary::<T>(after, unary::<T>(op, x), binary::<T>("mul", y, x)) ^ T::SIGN
            };
            cases.push(Case { body: T::as_i64(&text), fixed: false, expected: Box::new(expected) });
        }
    }
    // A choice keeps what is chosen, also where it is all the same to a machine's instruction.
    let [x, ..] = T::PLACES;
    let (name, constant) = (T::NAME, T::CONSTANTS[0]);
    for (then, otherwise) in [("const", "sqrt"), ("sqrt", "const")] {
        let arm = |arm| match arm {
            "const" => format!("({name}.const {constant})"),
            _ => format!("({name}.sqrt {x})"),
        };
        let below = format!("({name}.lt {x} ({name}.const 0))");
        let text = format!("(select {} {} {below})", arm(then), arm(otherwise));
        // All of it if it is the constant, else nothing: nobody leaves that open.
        let constant_chosen = match then {
            "const" => below,
            _ => format!("(i32.eqz {below})"),
        };
        cases.push(Case {
            body: format!("(i64.mul (i64.extend_i32_u {constant_chosen}) {})", T::as_i64(&text)),
            fixed: true,
            expected: Box::new(move |args| {
                let [x, _] = T::operands(args);
                if (T::of(x) < T::of(0)) == (then == "const") { T::constant(constant) } else { 0 }
            }),
        });
        cases.push(Case {
            body: T::as_i64(&text),
            fixed: false,
            expected: Box::new(move |args| {
                let [x, _] = T::operands(args);
                let arm = if T::of(x) < T::of(0) { then } else { otherwise };
                if arm == "const" { T::constant(constant) } else { unary::<T>("sqrt", x) }
            }),
        });
    }
}

fn conversions(cases: &mut Vec<Case>) {
    let demoted = |bits: u64| canonical(f64::from_bits(bits) as f32);
    let promoted = |bits: u32| canonical(f64::from(f32::from_bits(bits)));
    let mut add = |body: String, expected: Expected| cases.push(Case { body, fixed: false, expected });
    add(f32::as_i64("(f32.demote_f64 (local.get $c))"), Box::new(move |args| demoted(args.c)));
    add(f64::as_i64("(f64.promote_f32 (local.get $a))"), Box::new(move |args| promoted(args.a)));
    add(
        f32::as_i64("(f32.demote_f64 (f64.promote_f32 (local.get $a)))"),
        Box::new(move |args| demoted(promoted(args.a))),
    );
    add(
        f64::as_i64("(f64.add (f64.promote_f32 (local.get $b)) (local.get $c))"),
        Box::new(move |args| binary::<f64>("add", promoted(args.b), args.c)),
    );
    add(
        "(i64x2.extract_lane 0 (f32x4.demote_f64x2_zero (v128.load (i32.const 24))))".to_owned(),
        Box::new(move |args| demoted(args.c) | demoted(args.d) << 32),
    );
    for (lane, which) in [(0, "a"), (1, "b")] {
        add(
            format!("(i64x2.extract_lane {lane} (f64x2.promote_low_f32x4 (v128.load (i32.const 16))))"),
            Box::new(move |args| promoted(if which == "a" { args.a } else { args.b })),
        );
    }
}

fn vectors(cases: &mut Vec<Case>) {
    // Lanes: a, b and the halves of c; c, d.
    let singles = |args: Args| [args.a, args.b];
    let doubles = |args: Args| [args.c, args.d];
    let in_memory = ["(v128.load (i32.const 16))", "(v128.load (i32.const 24))"];
    let splats = ["(f32x4.splat (local.get $b))", "(f64x2.splat (local.get $d))"];
    for op in ARITHMETIC.into_iter().chain(["pmin", "pmax"]) {
        for swapped in [false, true] {
            let operands = |nth: usize| match swapped {
                false => format!("{} {}", in_memory[nth], splats[nth]),
                true => format!("{} {}", splats[nth], in_memory[nth]),
            };
            cases.push(Case {
                body: format!("(i64x2.extract_lane 0 (f32x4.{op} {}))", operands(0)),
                fixed: KEEP.contains(&op),
                expected: Box::new(move |args| {
                    let lane = |x: u32| match swapped {
                        false => binary::<f32>(op, x.into(), args.b.into()),
                        true => binary::<f32>(op, args.b.into(), x.into()),
                    };
                    let [x, y] = singles(args);
                    lane(x) | lane(y) << 32
                }),
            });
            for half in 0..2 {
                cases.push(Case {
                    body: format!("(i64x2.extract_lane {half} (f64x2.{op} {}))", operands(1)),
                    fixed: KEEP.contains(&op),
                    expected: Box::new(move |args| {
                        let x = doubles(args)[half];
                        if swapped { binary::<f64>(op, args.d, x) } else { binary::<f64>(op, x, args.d) }
                    }),
                });
            }
        }
    }
    for op in UNARY {
        cases.push(Case {
            body: format!("(i64x2.extract_lane 0 (f32x4.{op} {}))", in_memory[0]),
            fixed: KEEP.contains(&op),
            expected: Box::new(move |args| {
                let [x, y] = singles(args).map(|x| unary::<f32>(op, x.into()));
                x | y << 32
            }),
        });
        for half in 0..2 {
            cases.push(Case {
                body: format!("(i64x2.extract_lane {half} (f64x2.{op} {}))", in_memory[1]),
                fixed: KEEP.contains(&op),
                expected: Box::new(move |args| unary::<f64>(op, doubles(args)[half])),
            });
        }
        // One behind the other.
        cases.push(Case {
            body: format!(
                "(i64x2.extract_lane 0 (f32x4.neg (f32x4.mul (f32x4.{op} {0}) (f32x4.sub {0} {1}))))",
                in_memory[0], splats[0]
            ),
            fixed: false,
            expected: Box::new(move |args| {
                let [x, y] = singles(args).map(|x| {
                    let difference = binary::<f32>("sub", x.into(), args.b.into());
                    binary::<f32>("mul", unary::<f32>(op, x.into()), difference) ^ f32::SIGN
                });
                x | y << 32
            }),
        });
    }
}

/// Loops that compilers make vectors of, and keep values in from one time round to the next.
fn loops<T: Float>(cases: &mut Vec<Case>) {
    const TIMES: usize = 37;
    let name = T::NAME;
    let bytes = T::SIGN.ilog2() / 8 + 1;
    let [x, y, ..] = T::PLACES;
    let next = format!(
        "(br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const {bytes})))
            (i32.const {})))",
        bytes * TIMES as u32
    );
    // An array of multiples is computed from another, in place. Its last element counts, and one in the middle.
    for element in [5, TIMES - 1] {
        let element_at = 4096 + element as u32 * bytes;
        let body = format!(
            "(loop $next ({name}.store offset=4096 (local.get $i)
                ({name}.add {x} ({name}.convert_i32_u (local.get $i)))) {next})
            (local.set $i (i32.const 0))
            (loop $next ({name}.store offset=4096 (local.get $i)
                ({name}.div ({name}.mul ({name}.load offset=4096 (local.get $i)) {y})
                    ({name}.sub ({name}.load offset=4096 (local.get $i)) {x}))) {next})
            {}",
            T::as_i64(&format!("({name}.load (i32.const {element_at}))"))
        );
        cases.push(Case {
            body,
            fixed: false,
            expected: Box::new(move |args| {
                let [x, y] = T::operands(args);
                let n = (element as u32 * bytes) as f32;
                let n = if T::NAME == "f32" { f32::bits(n) } else { f64::bits(n.into()) };
                let first = binary::<T>("add", x, n);
                binary::<T>("div", binary::<T>("mul", first, y), binary::<T>("sub", first, x))
            }),
        });
    }
    // A sum, begun with a number, or with what is no number and may go on as it is.
    for op in ARITHMETIC {
        for (zero, start) in [(true, ""), (false, x)] {
            let sum = if name == "f32" { "$s" } else { "$t" };
            let set = if zero { String::new() } else { format!("(local.set {sum} {start})") };
            let body = format!(
                "{set} (loop $next
                    (local.set {sum} ({name}.{op} (local.get {sum}) ({name}.mul {y} ({name}.convert_i32_u (local.get $i)))))
                    {next})
                {}",
                T::as_i64(&format!("(local.get {sum})"))
            );
            cases.push(Case {
                body,
                fixed: false,
                expected: Box::new(move |args| {
                    let [x, y] = T::operands(args);
                    (0..TIMES).fold(if zero { 0 } else { x }, |sum, n| {
                        let n = (n as u32 * bytes) as f32;
                        let n = if T::NAME == "f32" { f32::bits(n) } else { f64::bits(n.into()) };
                        binary::<T>(op, sum, binary::<T>("mul", y, n))
                    })
                }),
            });
        }
    }
}

/// All functions, in order.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    scalars::<f32>(&mut cases);
    scalars::<f64>(&mut cases);
    conversions(&mut cases);
    vectors(&mut cases);
    loops::<f32>(&mut cases);
    loops::<f64>(&mut cases);
    cases
}

/// The module in text form: a function for each case, exported by its number; `put`, which puts operands where the functions
/// look for them in memory. `more` is put in front.
pub(crate) fn text(cases: &[Case], more: &str) -> String {
    let mut text = format!(
        "(module {more} (memory (export \"memory\") 8)
        (func $put (export \"put\") (param f32 f32 f64 f64)
            (f32.store (i32.const {OPERANDS}) (local.get 0)) (f32.store (i32.const {}) (local.get 1))
            (f64.store (i32.const {}) (local.get 2)) (f64.store (i32.const {}) (local.get 3)))\n",
        OPERANDS + 4,
        OPERANDS + 8,
        OPERANDS + 16
    );
    for (n, case) in cases.iter().enumerate() {
        writeln!(
            text,
            "(func $t{n} (export \"{n}\") (param $a f32) (param $b f32) (param $c f64) (param $d f64) (result i64)
                (local $i i32) (local $s f32) (local $t f64) {})",
            case.body
        )
        .unwrap();
    }
    text + ")"
}
