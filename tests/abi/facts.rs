//! The facts of WAMR's interface (`wamr-api.json`), and C text made from them.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

/// All facts.
pub(crate) fn facts() -> Value {
    read("wamr-api.json")
}

/// Those of the helper headers that hosts made from WAMR's samples include.
pub(crate) fn helpers() -> Value {
    read("wamr-helpers.json")
}

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A list in an object; it is there.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// A string in an object; it is there.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// Declares `name` with a type as the facts write it, which has its parts in a declarator's places: `void (*)(int)`,
/// `char[128]`.
fn declare(ty: &str, name: &str) -> String {
    if let Some(at) = ty.find("(*)") {
        return format!("{}(*{name}){}", &ty[..at], &ty[at + 3..]);
    }
    if let Some(at) = ty.find("(*const)") {
        return format!("{}(*{name}){}", &ty[..at], &ty[at + 8..]);
    }
    match ty.find('[') {
        Some(at) => format!("{} {name}{}", &ty[..at], &ty[at..]),
        None => format!("{ty} {name}"),
    }
}

/// A C type by which the header in question knows a type of the facts. Anonymous enums are known by their typedef.
fn c_type(ty: &str) -> String {
    // `const` at the outside of a parameter is no part of a function's type, and C++ has no `*const[]` declarators
    // without a name.
    ty.trim_end_matches("*const").to_owned() + if ty.ends_with("*const") { "*" } else { "" }
}

/// Pointers to functions of exactly the types in the facts, initialized with the header's functions.
pub(crate) fn functions(header: &Value) -> String {
    let mut c = String::new();
    for f in list(header, "functions").iter().chain(list(header, "inline_functions")) {
        let name = text(f, "name");
        let mut params: Vec<String> = list(f, "params").iter().map(|p| c_type(p.as_str().unwrap())).collect();
        if f["variadic"] == true {
            params.push("...".to_owned());
        }
        let params = if params.is_empty() { "void".to_owned() } else { params.join(", ") };
        let pointer = format!("(*const check_{name})({params})");
        // A result that is a function pointer does not occur.
        let check = format!("extern {} {pointer}; {} {pointer} = {name};", text(f, "ret"), text(f, "ret"));
        // `assertions` is for C only.
        let guard = if name == "assertions" { ("#ifndef __cplusplus\n", "\n#endif") } else { ("", "") };
        writeln!(c, "{}{check}{}", guard.0, guard.1).unwrap();
    }
    c
}

/// Assertions on the values of enums and their size.
pub(crate) fn enums(header: &Value) -> String {
    let mut c = String::new();
    for e in list(header, "enums") {
        for value in list(e, "values") {
            writeln!(c, "CHECK({} == {}, \"value\");", text(value, "name"), value["value"]).unwrap();
        }
        let first = text(&list(e, "values")[0], "name");
        writeln!(c, "CHECK(sizeof({first}) == {}, \"size of {}\");", e["size"], text(e, "name")).unwrap();
    }
    c
}

/// Assertions on sizes, alignments and offsets.
pub(crate) fn records(header: &Value) -> String {
    let mut c = String::new();
    for record in list(header, "records") {
        let ty = format!("{} {}", text(record, "kind"), text(record, "name"));
        writeln!(c, "CHECK(sizeof({ty}) == {}, \"size of {ty}\");", record["size"]).unwrap();
        writeln!(c, "CHECK(ALIGN_OF({ty}) == {}, \"alignment of {ty}\");", record["align"]).unwrap();
        fields(&mut c, &ty, "", 0, record);
    }
    c
}

fn fields(c: &mut String, ty: &str, path: &str, base: u64, record: &Value) {
    for field in list(record, "fields") {
        let name = format!("{path}{}", text(field, "name"));
        let offset = base + field["offset"].as_u64().unwrap();
        writeln!(c, "CHECK(offsetof({ty}, {name}) == {offset}, \"offset of {name} in {ty}\");").unwrap();
        writeln!(c, "CHECK(sizeof((({ty} *)0)->{name}) == {}, \"size of {name} in {ty}\");", field["size"])
            .unwrap();
        if field["members"].is_object() {
            fields(c, ty, &format!("{name}."), offset, &field["members"]);
        } else {
            // A pointer to the field, of exactly the type in the facts.
            let id = name.replace('.', "_");
            let var = format!("*field_{}_{id}", ty.replace(' ', "_"));
            let declared = match text(field, "type") {
                t if t.contains('[') => declare(t, &format!("({var})")),
                t => format!("{t} {var}"),
            };
            writeln!(c, "extern {declared}; {declared} = &(({ty} *)sizeof({ty}))->{name};").unwrap();
        }
    }
}

/// Definitions that use every typedef, and make sure each is what the facts say.
pub(crate) fn typedefs(header: &Value) -> String {
    let mut c = String::new();
    for typedef in list(header, "typedefs") {
        let (name, canonical) = (text(typedef, "name"), text(typedef, "canonical"));
        let anonymous_enum = name == canonical || canonical == format!("enum {name}");
        let canonical = if anonymous_enum { name } else { canonical };
        if canonical == "void" {
            writeln!(c, "extern {name} *type_{name}; void *type_{name} = 0;").unwrap();
        } else {
            let pointer = format!("*type_{name}");
            writeln!(c, "extern {name} {pointer}; {} = 0;", declare_pointer(canonical, &pointer)).unwrap();
        }
    }
    c
}

/// A pointer to a type that may be a function pointer.
fn declare_pointer(ty: &str, pointer: &str) -> String {
    match ty.find("(*)") {
        Some(at) => format!("{}(*{pointer}){}", &ty[..at], &ty[at + 3..]),
        None => format!("{ty} {pointer}"),
    }
}

/// Assertions that every macro is there, and on the constants.
pub(crate) fn macros(header: &Value) -> String {
    let mut c = String::new();
    for name in list(header, "macros").iter().chain(list(header, "macros_function_like")) {
        let name = name.as_str().unwrap();
        writeln!(c, "#ifndef {name}\n#error {name} is missing\n#endif").unwrap();
    }
    for constant in list(header, "constants") {
        let (name, ty) = (text(constant, "name"), text(constant, "type"));
        writeln!(c, "{ty} *check_{name} = &{name};\nuint64_t value_{name} = sizeof({name});").unwrap();
    }
    c
}
