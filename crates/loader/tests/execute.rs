//! Code that was loaded runs, and what it refers to is what it should be. On the machine the tests run on.

mod common;

use common::{check_calls, compile};
use wayfarer_loader::{Code, LoadError, Machine};

fn host() -> Machine {
    Machine::host().expect("tests run where compiled code does")
}

#[test]
fn two_objects_call_each_other() {
    for options in [&[][..], &["-fno-plt"], &["-ffunction-sections", "-fdata-sections"], &["-O0"]] {
        let first = compile(host(), "calls.c", options);
        let second = compile(host(), "other.c", options);
        check_calls(&Code::load(&[&first, &second]).unwrap());
        check_calls(&Code::load(&[&second, &first]).unwrap());
    }
}

#[test]
fn code_is_where_it_says() {
    let options = ["-ffunction-sections"];
    let first = compile(host(), "calls.c", &options);
    let second = compile(host(), "other.c", &options);
    let code = Code::load(&[&first, &second]).unwrap();
    let range = code.range();
    let names: Vec<&str> = code.symbols().map(|f| f.name.as_str()).collect();
    for name in ["choose", "other_add", "other_sub", "rarely"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(names.iter().filter(|&&n| n == "twice").count(), 2, "a local function of each object");
    assert!(code.symbol("twice").is_none() && code.symbol("nothing").is_none());
    let mut end = range.start;
    for f in code.symbols() {
        assert!(f.address >= end && f.address + f.size <= range.end && f.size > 0, "{f:?}");
        end = f.address + f.size;
        for at in [f.address, end - 1] {
            assert_eq!(code.function_at(at), Some(f));
        }
    }
    assert_eq!(code.function_at(range.start - 1), None);
    assert_eq!(
        code.symbol("choose").map(|a| a as usize),
        code.symbols().find(|f| f.name == "choose").map(|f| f.address)
    );
    // What hardly ever runs is behind what does, of all objects.
    let cold = code.symbols().position(|f| f.name == "rarely").unwrap();
    assert_eq!(cold, names.len() - 1, "{names:?}");
    assert!(code.stubs().any(|s| s.name == "memcpy@plt") && code.stubs().all(|s| range.contains(&s.address)));

    // The system has the pages as they are meant: nothing is both written and executed.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let access = |address: usize| {
        let found = maps.lines().find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let range = usize::from_str_radix(start, 16).unwrap()..usize::from_str_radix(end, 16).unwrap();
            range.contains(&address).then(|| rest[..3].to_owned())
        });
        found.expect("mapped")
    };
    assert_eq!(access(range.start), "r-x");
    assert_eq!(access(code.symbol("other_counter").unwrap() as usize), "rw-");
    assert_eq!(access(code.symbol("unary").unwrap() as usize), "r--");
    for section in code.sections() {
        let expected = match section.name.as_str() {
            name if name.starts_with(".text") => "r-x",
            name if name.starts_with(".data.rel.ro") => "r--",
            name if name.starts_with(".data") || name.starts_with(".bss") => "rw-",
            _ => "r--",
        };
        if section.size > 0 {
            assert_eq!(access(section.address), expected, "{section:?}");
        }
    }
}

#[test]
fn what_is_missing_or_twofold_has_a_name() {
    let first = compile(host(), "calls.c", &[]);
    let second = compile(host(), "other.c", &[]);
    match Code::load(&[&first]) {
        Err(LoadError::Undefined { symbol, object: 0 }) => {
            assert!(symbol.starts_with("other_"), "{symbol}");
        }
        other => panic!("{other:?}"),
    }
    match Code::load(&[&first, &second, &second]) {
        Err(LoadError::Duplicate { symbol, first: 1, second: 2 }) => {
            assert!(["other_add", "other_counter", "other_table", "local"].contains(&&*symbol), "{symbol}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(Code::load(&[]), Err(LoadError::Empty)));
    // Not on the list, though this process has it.
    let system = compile(host(), "system.c", &[]);
    let error = Code::load(&[&system]).unwrap_err();
    assert_eq!(error.to_string(), "object 0 uses symbol system, which nothing defines");
}

#[test]
fn objects_of_other_machines_are_refused() {
    for machine in Machine::ALL {
        let object = compile(machine, "other.c", &[]);
        match Code::load_for(machine, &[&object]) {
            Err(LoadError::Undefined { symbol, .. }) => assert_eq!(symbol, "from_first"),
            other => panic!("{other:?}"),
        }
        for other in Machine::ALL.into_iter().filter(|&m| m != machine) {
            match Code::load_for(other, &[&object]) {
                Err(LoadError::Machine { object: 0, expected, .. }) => assert_eq!(expected, other),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn weak_definitions_give_way() {
    let weak = "-DWEAK=__attribute__((weak))";
    let first = compile(host(), "weak.c", &[weak, "-DNUMBER=1", "-DCALL=first"]);
    let second = compile(host(), "weak.c", &[weak, "-DNUMBER=2", "-DCALL=second"]);
    let strong = compile(host(), "weak.c", &["-DWEAK=", "-DNUMBER=3", "-DCALL=third"]);
    let who = |objects: &[&[u8]], names: &[&str]| -> Vec<i32> {
        let code = Code::load(objects).unwrap();
        let call = |name: &&str| {
            let address = code.symbol(name).unwrap();
            // SAFETY: the source says that the function has this type.
            unsafe { std::mem::transmute::<*const u8, unsafe extern "C" fn() -> i32>(address)() }
        };
        names.iter().map(call).collect()
    };
    assert_eq!(who(&[&first, &second], &["first", "second", "who"]), [1, 1, 1]);
    assert_eq!(who(&[&second, &first], &["first", "second", "who"]), [2, 2, 2]);
    for objects in [[&first, &second, &strong], [&strong, &first, &second], [&first, &strong, &second]] {
        let objects = objects.map(|o| &o[..]);
        assert_eq!(who(&objects, &["first", "second", "third", "who"]), [3; 4]);
    }
}

#[test]
fn what_is_not_supported_is_said() {
    let refused =
        |options: &[&str]| Code::load(&[&compile(host(), "unsupported.c", options)]).unwrap_err().to_string();
    assert_eq!(refused(&["-DTHREAD"]), "object 0 has the thread-local section .tdata: not supported");
    assert_eq!(
        refused(&["-DCONSTRUCTOR"]),
        "object 0 has a section of a kind that is not loaded, .init_array: not supported"
    );
    assert_eq!(refused(&["-DCOMMON", "-fcommon"]), "object 0 has the common symbol variable: not supported");
    let garbage = Code::load(&[b"\0asm\x01\0\0\0"]).unwrap_err();
    assert!(matches!(garbage, LoadError::Malformed { object: 0, .. }), "{garbage}");
}
