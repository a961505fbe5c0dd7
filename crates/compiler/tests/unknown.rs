//! A module with an instruction that is not known is not compiled. None that `parse` accepts has one, so here it is put there
//! afterwards.

use wayfarer_compiler::{Options, compile};

#[test]
fn an_unknown_instruction_is_an_error() {
    for text in ["(module (func (nop) (nop)))", "(module (func (return) (nop)))"] {
        let mut module = wayfarer_module::parse(wat::parse_str(text).unwrap().into()).unwrap();
        let options = Options { threads: 1, ..Options::default() };
        compile(&module, &options, &|_, _| {}).unwrap();
        let mut bytes = module.bytes.to_vec();
        let at = module.funcs[0].body.clone().unwrap().start + 2;
        assert_eq!(bytes[at], 0x01, "nop");
        // throw_ref
        bytes[at] = 0x0a;
        module.bytes = bytes.into();
        let error = compile(&module, &options, &|_, _| {}).unwrap_err();
        let expected = format!("compiler: unknown instruction ThrowRef at {at:#x}");
        assert_eq!(error.to_string(), expected, "{text}");
    }
}
