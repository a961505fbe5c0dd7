//! What the program was started with: arguments and environment.

use super::{FormatError, Ready, Record, Resource, Restoring, Saving};
use crate::ctx::{Program, WasiCtx};
use crate::dir::show;
use crate::restore::RestoreError;
use crate::save::SaveError;
use serde_json::{Value, json};

/// The kind.
pub(crate) struct Start;

impl Resource for Start {
    type Part = Program;
    const VERSION: u32 = 1;

    fn save(ctx: &WasiCtx, _: &mut Saving<'_>) -> Result<Program, SaveError> {
        Ok(Program::clone(&ctx.program()))
    }

    /// Any bytes will do.
    fn verify(_: &Record) -> Result<(), FormatError> {
        Ok(())
    }

    fn restore<'a>(record: &Record, ctx: &'a WasiCtx, _: &Restoring<'_>) -> Result<Ready<'a>, RestoreError> {
        let program = record.program.clone();
        Ok(Box::new(move || ctx.set_program(program)))
    }

    fn describe(record: &Record) -> Vec<(&'static str, Value)> {
        let strings = |strings: &[Vec<u8>]| strings.iter().map(|s| show(s)).collect::<Vec<_>>();
        let Program { args, env } = &record.program;
        vec![("args", json!(strings(args))), ("env", json!(strings(env)))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::{context, record};
    use crate::restore::RestorePolicy;
    use crate::save::SavePolicy;

    fn started() -> Program {
        Program { args: vec![b"guest".to_vec(), b"\xff".to_vec()], env: vec![b"A=b".to_vec()] }
    }

    #[test]
    fn it_is_saved_and_described() {
        let ctx = context();
        ctx.set_program(started());
        let program = Start::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap();
        assert_eq!(program, started());
        let record = Record { program, ..record() };
        Start::verify(&record).unwrap();
        let described = [("args", json!(["guest", "\u{fffd}"])), ("env", json!(["A=b"]))];
        assert_eq!(Start::describe(&record), described);
    }

    #[test]
    fn it_is_restored_when_nothing_can_fail_any_more() {
        let ctx = context();
        let record = Record { program: started(), ..record() };
        let ready = Start::restore(&record, &ctx, &Restoring::from(&RestorePolicy::default())).unwrap();
        assert_eq!(*ctx.program(), Program::default());
        ready();
        assert_eq!(*ctx.program(), started());
    }
}
