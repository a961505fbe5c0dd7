//! Runs a random module in Wayfarer and in wasmi, and in Wayfarer once more for each of some stable points: stopped there,
//! imaged, restored (elsewhere, it may be), finished. Used by the tests of interpreted and of compiled code and, as it is,
//! by the fuzz targets `execute` and `compiled`.
#![allow(dead_code, reason = "shared by several programs, none of which uses all of it")]

pub(crate) mod generate;
pub(crate) mod host;
pub(crate) mod peer;
pub(crate) mod random;
pub(crate) mod wayfarer;

use generate::Case;
use peer::{Peer, PeerInstance};
use random::Random;
use std::collections::BTreeSet;
use std::sync::Arc;
use wayfarer::{Checkpoint, End, Home, Interpreted, Machine, Outcome, STOPPED, Step};
use wayfarer_module::{ExternKind, Module, PointKind};
use wayfarer_runtime::{AfterCheckpoint, TrapCode};
use wayfarer_snapshot::view::Value;

/// How many stable points of a session are tested.
const POINTS: usize = 4;
/// About how many images a session goes through when it hops.
const HOPS: u64 = 3;

/// What cases had to show.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tally {
    /// Calls from the host that returned.
    pub(crate) returned: u64,
    /// And that trapped.
    pub(crate) trapped: u64,
    /// Calls to the host.
    pub(crate) host_calls: u64,
    /// Sessions whose results were compared with wasmi's.
    pub(crate) compared: u64,
    /// Checkpoints by the innermost frame's kind of point: `Entry`, `Loop`, `BeforeCall`.
    pub(crate) innermost: [u64; 3],
    /// Frames below the innermost one, over all checkpoints.
    pub(crate) outer_frames: u64,
}

/// Tests a case in the interpreter, and says what went wrong.
pub(crate) fn check(case: &Case, tally: &mut Tally) -> Result<(), String> {
    let module = parse(case)?;
    let peer = match case.engine_nans {
        false if peer::is_right_about(&module) => {
            Some(Peer::new(&case.wasm).map_err(|e| format!("wasmi refuses it: {e}"))?)
        }
        _ => None,
    };
    check_homes(case, &module, peer.as_ref(), &[[&Interpreted, &Interpreted]], tally)
}

pub(crate) fn parse(case: &Case) -> Result<Arc<Module>, String> {
    let module = wayfarer_module::parse(case.wasm.clone().into());
    module.map(Arc::new).map_err(|e| format!("Wayfarer refuses it: {e}"))
}

/// Tests a case: stopped in the first of two homes, restored in the second.
pub(crate) fn check_homes(
    case: &Case,
    module: &Arc<Module>,
    peer: Option<&Peer>,
    homes: &[[&dyn Home; 2]],
    tally: &mut Tally,
) -> Result<(), String> {
    let mut random = Random::new(case.seed);
    let start = Step::start(module);
    let exports = Step::exports(module, case.seed);
    let mut rest = &exports[..];
    loop {
        let steps: Vec<Step> = start.iter().chain(rest).cloned().collect();
        let mut session = Session {
            module,
            waits: case.waits,
            steps,
            homes: [&Interpreted, &Interpreted],
            random: &mut random,
            tally,
        };
        let used = session.check(peer, homes)?.saturating_sub(start.iter().len());
        // A trap ends a session: most often it is that of the fuel, which would end all that follows.
        rest = &rest[used..];
        if used == 0 || rest.is_empty() {
            return Ok(());
        }
    }
}

/// Calls of one instance, one after the other, up to the first that traps.
struct Session<'a> {
    module: &'a Arc<Module>,
    waits: bool,
    steps: Vec<Step>,
    /// Where it is stopped, and where it is restored.
    homes: [&'a dyn Home; 2],
    random: &'a mut Random,
    tally: &'a mut Tally,
}

/// A run that nobody disturbed.
struct Reference {
    outcomes: Vec<Outcome>,
    end: End,
    polls: u64,
}

impl<'a> Session<'a> {
    /// Says how many steps there were.
    fn check(&mut self, peer: Option<&Peer>, homes: &[[&'a dyn Home; 2]]) -> Result<usize, String> {
        let mut machine = match Machine::new(&Interpreted, self.module, false) {
            Ok(machine) => machine,
            Err(trap) => {
                return match peer.map(|peer| peer.instantiate(self.module)) {
                    Some(Ok(_)) => Err(format!("only Wayfarer cannot instantiate it: {trap}")),
                    _ => Ok(0),
                };
            }
        };
        let outcomes = machine.run(&self.steps, 0);
        let end = machine.end()?;
        if let Some(peer) = peer {
            self.compare(&outcomes, &machine, &end, peer)?;
            self.tally.compared += 1;
        }
        drop(machine);

        let mut reference = Reference { outcomes, end, polls: 0 };
        reference.polls = self.counted(&Interpreted, &reference)?;
        self.tally.host_calls += reference.end.log.len() as u64;
        for outcome in &reference.outcomes {
            *if outcome.is_ok() { &mut self.tally.returned } else { &mut self.tally.trapped } += 1;
        }
        let polls = reference.polls;
        for (nth, homes) in homes.iter().enumerate() {
            self.homes = *homes;
            self.pair(&mut reference).map_err(|why| format!("pair {nth}: {why}"))?;
            reference.polls = polls;
        }
        Ok(reference.outcomes.len())
    }

    /// Stops it in one home, and restores it in the other.
    fn pair(&mut self, reference: &mut Reference) -> Result<(), String> {
        let from = self.homes[0];
        let mut machine = Machine::new(from, self.module, false)?;
        let outcomes = machine.run(&self.steps, 0);
        reference.compare(0, &outcomes, &machine, "undisturbed")?;
        drop(machine);
        let polls = self.counted(from, reference)?;
        if from.counts() && polls != reference.polls {
            return Err(format!("it has {polls} stable points, not {}", reference.polls));
        }
        reference.polls = polls;
        if reference.polls > 0 {
            self.visit(reference)?;
            self.hop(reference)?;
        }
        Ok(())
    }

    /// Runs it once more, now counting: how many stable points it has.
    fn counted(&self, home: &dyn Home, reference: &Reference) -> Result<u64, String> {
        let mut machine = Machine::new(home, self.module, self.waits)?;
        machine.visit(&[], AfterCheckpoint::Continue);
        let outcomes = machine.run(&self.steps, 0);
        reference.compare(0, &outcomes, &machine, "counted")?;
        Ok(machine.store.control().polls())
    }

    /// Whether both homes have the same stable points.
    fn counts(&self) -> bool {
        self.homes.iter().all(|home| home.counts())
    }

    /// Compares a run with one in wasmi.
    fn compare(&self, outcomes: &[Outcome], machine: &Machine, end: &End, peer: &Peer) -> Result<(), String> {
        let mut instance = match (peer.instantiate(self.module), self.steps.first()) {
            (Ok(instance), _) => instance,
            (Err(trap), Some(Step { export: None, .. })) => {
                // What else it did, nobody can see.
                return match &outcomes[0] {
                    Err(own) if *own == trap => Ok(()),
                    own => Err(format!("start: Wayfarer has {own:?}, wasmi {trap}")),
                };
            }
            (Err(trap), _) => return Err(format!("only wasmi cannot instantiate it: {trap}")),
        };
        for (step, outcome) in self.steps.iter().zip(outcomes) {
            let theirs = match step.export {
                Some(_) => instance.call(step, &self.module.func_type(step.func).results),
                None => Ok(Vec::new()),
            };
            let own =
                outcome.clone().map(|values| values.into_iter().map(host::anonymous).collect::<Vec<_>>());
            if own != theirs {
                return Err(format!("{step:?}: Wayfarer has {own:?}, wasmi {theirs:?}"));
            }
        }
        if end.log != instance.log() {
            return Err(format!("Wayfarer made the calls {:?}, wasmi {:?}", end.log, instance.log()));
        }
        self.compare_state(machine, end, &instance)
    }

    fn compare_state(&self, machine: &Machine, end: &End, theirs: &PeerInstance) -> Result<(), String> {
        let (Some(own), Some(view)) = (machine.store.instance(0), end.store.instances.first()) else {
            return Err("there is no instance".to_owned());
        };
        if !theirs.exports(self.module) {
            return Err("wasmi exports something else".to_owned());
        }
        for export in &self.module.exports {
            let (name, index) = (&*export.name, export.index as usize);
            let same = match export.kind {
                ExternKind::Func => true,
                ExternKind::Memory => wayfarer::memory(own, export.index) == theirs.memory(name),
                ExternKind::Global => {
                    let value = end.store.globals[view.globals[index] as usize].value;
                    Some(host::anonymous(value)) == theirs.global(name)
                }
                ExternKind::Table => {
                    let elems = end.store.tables[view.tables[index] as usize].elems.iter();
                    Some(elems.copied().map(host::anonymous).collect::<Vec<Value>>()) == theirs.table(name)
                }
            };
            if !same {
                return Err(format!("{:?} {name:?} is not the same in the end", export.kind));
            }
        }
        Ok(())
    }

    /// A run that is imaged at some points and goes on; each image is restored, and finishes.
    fn visit(&mut self, reference: &Reference) -> Result<(), String> {
        let points: BTreeSet<u64> = match reference.polls {
            few if few <= POINTS as u64 => (1..=few).collect(),
            many => (0..POINTS).map(|_| 1 + self.random.below(many)).collect(),
        };
        let gaps: Vec<u64> =
            points.iter().scan(0, |last, &at| Some(at - std::mem::replace(last, at))).collect();
        let mut machine = Machine::new(self.homes[0], self.module, self.waits)?;
        let visitor = machine.visit(&gaps, AfterCheckpoint::Continue);
        let outcomes = machine.run(&self.steps, 0);
        reference.compare(0, &outcomes, &machine, "with checkpoints")?;
        let taken = visitor.take()?;
        // A program that was captured goes on in frames that have all stable points, for a while.
        let expected = if self.homes[0].counts() { points.len() } else { taken.len().max(1) };
        if !taken.iter().map(|checkpoint| checkpoint.at).eq(points.iter().copied().take(expected)) {
            return Err(format!("checkpoints at {points:?} were not all taken"));
        }
        drop(machine);
        for (index, checkpoint) in taken.iter().enumerate() {
            self.count(checkpoint)?;
            self.go_on(reference, checkpoint, taken.get(index + 1))
                .map_err(|why| format!("stopped at {}: {why}", checkpoint.at))?;
        }
        Ok(())
    }

    fn count(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let kind = match checkpoint.thread.frames.last().map(|frame| frame.position.kind) {
            Some(PointKind::Entry) => 0,
            Some(PointKind::Loop) => 1,
            Some(PointKind::BeforeCall) => 2,
            other => return Err(format!("the innermost frame is at {other:?}")),
        };
        self.tally.innermost[kind] += 1;
        self.tally.outer_frames += checkpoint.thread.frames.len() as u64 - 1;
        Ok(())
    }

    /// Restores a checkpoint and finishes; on the way the state must be that of the `next` checkpoint.
    fn go_on(
        &self,
        reference: &Reference,
        checkpoint: &Checkpoint,
        next: Option<&Checkpoint>,
    ) -> Result<(), String> {
        let (mut machine, thread) = Machine::restored(self.homes[1], self.module, self.waits, checkpoint)?;
        let next = next.filter(|_| self.counts());
        let gap: Vec<u64> = next.iter().map(|next| next.at - checkpoint.at).collect();
        let visitor = machine.visit(&gap, AfterCheckpoint::Continue);
        let outcomes = machine.resume(&self.steps, checkpoint.step, &thread);
        reference.compare(checkpoint.step, &outcomes, &machine, "restored")?;
        let polls = checkpoint.at + machine.store.control().polls();
        if self.counts() && polls != reference.polls {
            return Err(format!("there were {polls} stable points, not {}", reference.polls));
        }
        match (visitor.take()?.first(), next) {
            (None, None) => Ok(()),
            (Some(now), Some(next)) if now.program == next.program && now.memories == next.memories => Ok(()),
            (now, _) => Err(format!("then at {next:?} it is {now:?}")),
        }
    }

    /// From image to image and from home to home, a short run between two.
    fn hop(&mut self, reference: &Reference) -> Result<(), String> {
        let (mut first, mut taken, mut hops) = (0, None::<Checkpoint>, Vec::new());
        for home in self.homes.into_iter().cycle() {
            let stride = 1 + self.random.below((2 * reference.polls / HOPS).max(1));
            hops.push(stride);
            let (mut machine, thread) = match &taken {
                None => (Machine::new(home, self.module, self.waits)?, None),
                Some(checkpoint) => {
                    let (machine, thread) = Machine::restored(home, self.module, self.waits, checkpoint)?;
                    (machine, Some(thread))
                }
            };
            let visitor = machine.visit(&[stride], AfterCheckpoint::Stop);
            let mut outcomes = match &thread {
                None => machine.run(&self.steps, 0),
                Some(thread) => machine.resume(&self.steps, first, thread),
            };
            taken = visitor.take()?.pop();
            let Some(checkpoint) = &taken else {
                return reference.compare(first, &outcomes, &machine, &format!("hopping by {hops:?}"));
            };
            if outcomes.pop() != Some(Err(STOPPED.to_owned())) || first + outcomes.len() != checkpoint.step {
                return Err(format!("hopping by {hops:?}, it did not stop in step {}", checkpoint.step));
            }
            if outcomes != reference.outcomes[first..checkpoint.step] {
                return Err(format!("hopping by {hops:?}, it went another way: {outcomes:?}"));
            }
            first = checkpoint.step;
        }
        Ok(())
    }
}

impl Reference {
    /// Compares a run that began, or went on, in step `first`.
    fn compare(
        &self,
        first: usize,
        outcomes: &[Outcome],
        machine: &Machine,
        how: &str,
    ) -> Result<(), String> {
        if outcomes != &self.outcomes[first..] {
            return Err(format!("{how}, it came to {outcomes:x?}, not {:x?}", &self.outcomes[first..]));
        }
        let end = machine.end()?;
        let outside = Err(TrapCode::MemoryOutOfBounds.text().to_owned());
        if machine.faults && outcomes.last() == Some(&outside) {
            return match end.log == self.end.log {
                true => Ok(()),
                false => Err(format!("{how}, it made the calls {:?}, not {:?}", end.log, self.end.log)),
            };
        }
        if end != self.end {
            return Err(format!("{how}, it left {end:?}, not {:?}", self.end));
        }
        Ok(())
    }
}
