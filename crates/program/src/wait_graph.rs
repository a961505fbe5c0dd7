//! Who waits for whom in a stopped program: as text, for tools, and for Graphviz.

use std::fmt::Write;

use serde::Serialize;
use wayfarer_snapshot::view::{ProgramView, WaitPlace};

use crate::locks::{LocksRecord, Note, Object, Owner, handle};
use crate::resources::locks::Locks;
use crate::resources::read;
use crate::resources::waits::Waits;

/// The threads that wait, what they wait for, and whom that belongs to. Threads are numbered as the image has them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct WaitGraph {
    /// Who waits, queue by queue, first in first out.
    pub waits: Vec<Waiting>,
    /// Mutexes that somebody has, and who.
    pub owned: Vec<Owned>,
    /// Threads that wait for each other, each for what the next one has, the last for the first, which has the smallest number.
    pub deadlocks: Vec<Vec<u32>>,
}

/// A thread that waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Waiting {
    /// The thread.
    pub thread: u32,
    /// What it stands in the queue of.
    #[serde(flatten)]
    pub for_: For,
    /// Who has that, if it is a mutex, and he is one of the threads.
    pub owner: Option<u32>,
    /// How many stand before it; none if it was woken, and has not noticed yet.
    pub before: Option<u32>,
    /// How long it waits still, in nanoseconds; none for ever.
    pub left_ns: Option<u64>,
}

/// What a thread waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum For {
    /// An address of a shared memory.
    Address {
        /// Which memory.
        memory: u32,
        /// The address.
        address: u64,
    },
    /// A mutex.
    Mutex {
        /// Its handle.
        mutex: u32,
    },
    /// A condition variable.
    Condition {
        /// Its handle.
        condition: u32,
        /// The mutex that it will have then.
        mutex: Option<u32>,
    },
    /// A semaphore.
    Semaphore {
        /// Its handle.
        semaphore: u32,
        /// Its name; what is not ASCII is escaped.
        name: String,
    },
    /// Nothing any more.
    Nothing,
}

/// A mutex that somebody has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Owned {
    /// Its handle.
    pub mutex: u32,
    /// Who; none if he is in no call.
    pub owner: Option<u32>,
}

impl WaitGraph {
    /// That of an image. `None`: nobody waits, nor has anything that others could wait for.
    ///
    /// # Errors
    /// What the image says of it is malformed.
    pub fn of(program: &ProgramView) -> Result<Option<WaitGraph>, String> {
        let mut graph = WaitGraph::default();
        let tid = |thread: usize| program.threads.get(thread).map_or(thread as u32, |thread| thread.tid);
        for (thread, place) in read::<Waits>(&program.host)?.unwrap_or_default().iter().enumerate() {
            let thread = tid(thread);
            graph.waits.extend(place.as_ref().map(|place| match *place {
                WaitPlace::Woken => Waiting::woken(thread),
                WaitPlace::Address { memory, addr: address, before, left } => Waiting {
                    for_: For::Address { memory, address },
                    before: Some(before),
                    left_ns: left,
                    ..Waiting::woken(thread)
                },
            }));
        }
        graph.waits.sort_by_key(|waiting| match waiting.for_ {
            For::Address { memory, address } => (Some((memory, address)), waiting.before),
            _ => (None, None),
        });
        if let Some(record) = read::<Locks>(&program.host)? {
            record.check()?;
            graph.add(&record, &|thread| tid(thread as usize));
        }
        graph.deadlocks = graph.cycles();
        Ok((graph != WaitGraph::default()).then_some(graph))
    }

    fn add(&mut self, record: &LocksRecord, tid: &dyn Fn(u32) -> u32) {
        let handle_of =
            |slot: u32| handle(slot, record.slots.get(slot as usize).map_or(0, |slot| slot.generation));
        for (number, slot) in (0..).zip(&record.slots) {
            let (here, mut owner) = (handle(number, slot.generation), None);
            if let Some(Object::Mutex { owner: Some(of), .. }) = slot.object {
                owner = match of {
                    Owner::Thread(thread) => Some(tid(thread)),
                    Owner::Outside => None,
                };
                self.owned.push(Owned { mutex: here, owner });
            }
            let for_ = |note: &Note| match &slot.object {
                Some(Object::Mutex { .. }) => For::Mutex { mutex: here },
                Some(Object::Condition) => {
                    For::Condition { condition: here, mutex: record.mutex_of(note).map(handle_of) }
                }
                Some(Object::Semaphore { name, .. }) => {
                    For::Semaphore { semaphore: here, name: name.escape_ascii().to_string() }
                }
                None => For::Nothing,
            };
            self.waits.extend((0..).zip(&slot.queue).map(|(before, waiting)| Waiting {
                thread: tid(waiting.thread),
                for_: for_(&waiting.note),
                owner,
                before: Some(before),
                left_ns: waiting.left,
            }));
        }
        // Those of whom a lock was handed to are its owners already.
        self.waits.extend(record.woken.iter().map(|&(thread, _)| Waiting::woken(tid(thread))));
    }

    /// Circles of threads that wait for what the next one has.
    fn cycles(&self) -> Vec<Vec<u32>> {
        let next = |thread: u32| {
            let mut waits = self.waits.iter().filter(|waiting| matches!(waiting.for_, For::Mutex { .. }));
            waits.find(|waiting| waiting.thread == thread)?.owner
        };
        let (mut cycles, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
        for first in self.waits.iter().map(|waiting| waiting.thread) {
            let (mut path, mut at) = (Vec::new(), Some(first));
            while let Some(thread) = at.filter(|thread| seen.insert(*thread)) {
                path.push(thread);
                at = next(thread);
            }
            // It comes back to where this path was before.
            if let Some(begin) = path.iter().position(|&thread| Some(thread) == at) {
                let mut cycle = path.split_off(begin);
                let smallest = (0..cycle.len()).min_by_key(|&at| cycle[at]);
                cycle.rotate_left(smallest.unwrap_or_default());
                cycles.push(cycle);
            }
        }
        cycles.sort();
        cycles
    }

    /// Lines of text.
    pub fn text(&self) -> String {
        let mut out = String::from("waits:\n");
        for waiting in &self.waits {
            let _ = writeln!(out, "  {}", waiting.line());
        }
        for Owned { mutex, owner } in &self.owned {
            let _ = match owner {
                Some(owner) => writeln!(out, "  thread {owner} has mutex {mutex}"),
                None => writeln!(out, "  mutex {mutex} is taken, by no thread that is in a call"),
            };
        }
        for cycle in &self.deadlocks {
            let _ = writeln!(out, "  deadlock: {}", self.deadlock(cycle));
        }
        out
    }

    fn deadlock(&self, cycle: &[u32]) -> String {
        let mut text = String::new();
        for (at, thread) in cycle.iter().enumerate() {
            let mutex = self.waits.iter().find_map(|waiting| match waiting.for_ {
                For::Mutex { mutex } if waiting.thread == *thread => Some(mutex),
                _ => None,
            });
            let who = if at == 0 { format!("thread {thread}") } else { ", which".to_owned() };
            let of = match cycle.get(at + 1).or(cycle.first()) {
                Some(of) if of == thread => "itself".to_owned(),
                Some(of) => format!("thread {of}"),
                None => String::new(),
            };
            let _ = write!(text, "{who} waits for mutex {} of {of}", mutex.unwrap_or_default());
        }
        text
    }

    /// For Graphviz: threads are boxes, what they wait for is round. Arrows go from who waits to what he waits for, with his place in
    /// the queue, and from there to who has it. What is in a deadlock is red.
    pub fn dot(&self) -> String {
        let mut out = String::from("digraph waits {\n  rankdir=LR;\n");
        let mut threads: Vec<u32> = self.waits.iter().map(|waiting| waiting.thread).collect();
        threads.extend(self.owned.iter().filter_map(|owned| owned.owner));
        threads.sort_unstable();
        threads.dedup();
        let is_red = |thread: &u32| self.deadlocks.iter().any(|cycle| cycle.contains(thread));
        let red = |red: bool| if red { ", color=red" } else { "" };
        for thread in &threads {
            let _ =
                writeln!(out, "  t{thread} [shape=box, label=\"thread {thread}\"{}];", red(is_red(thread)));
        }
        let mut nodes = std::collections::BTreeMap::new();
        for waiting in &self.waits {
            if let Some((id, label)) = waiting.for_.node() {
                nodes.entry(id).or_insert(label);
            }
        }
        for Owned { mutex, .. } in &self.owned {
            nodes.entry(format!("m{mutex}")).or_insert(format!("mutex {mutex}"));
        }
        for (id, label) in &nodes {
            let label = label.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(out, "  {id} [label=\"{label}\"];");
        }
        for waiting in &self.waits {
            let (Some((id, _)), Some(before)) = (waiting.for_.node(), waiting.before) else { continue };
            let left = waiting.left_ns.map_or(String::new(), |left| format!(", {}", seconds(left)));
            let is_red = is_red(&waiting.thread) && matches!(waiting.for_, For::Mutex { .. });
            let _ = writeln!(
                out,
                "  t{} -> {id} [label=\"{}{left}\"{}];",
                waiting.thread,
                before + 1,
                red(is_red)
            );
        }
        for Owned { mutex, owner } in &self.owned {
            if let Some(owner) = owner {
                let awaited = self
                    .waits
                    .iter()
                    .any(|waiting| waiting.for_ == For::Mutex { mutex: *mutex } && is_red(&waiting.thread));
                let red = red(awaited && is_red(owner));
                let _ = writeln!(out, "  m{mutex} -> t{owner} [style=dashed{red}];");
            }
        }
        out.push_str("}\n");
        out
    }
}

impl Waiting {
    fn woken(thread: u32) -> Waiting {
        Waiting { thread, for_: For::Nothing, owner: None, before: None, left_ns: None }
    }

    fn line(&self) -> String {
        let thread = self.thread;
        let Some(before) = self.before else {
            return format!("thread {thread} was woken, and has not noticed yet");
        };
        let owner = match (&self.for_, self.owner) {
            (For::Mutex { .. }, Some(owner)) => format!(" of thread {owner}"),
            _ => String::new(),
        };
        let place = if before == 0 { "first".to_owned() } else { format!("behind {before}") };
        let left = self.left_ns.map_or("for ever".to_owned(), |left| format!("{} left", seconds(left)));
        format!("thread {thread} waits for {}{owner}, {place}, {left}", self.for_)
    }
}

impl std::fmt::Display for For {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            For::Address { memory, address } => write!(f, "address {address:#x} of memory {memory}"),
            For::Mutex { mutex } => write!(f, "mutex {mutex}"),
            For::Condition { condition, mutex: Some(mutex) } => {
                write!(f, "condition variable {condition} with mutex {mutex}")
            }
            For::Condition { condition, mutex: None } => write!(f, "condition variable {condition}"),
            For::Semaphore { semaphore, name } => write!(f, "semaphore {semaphore} \"{name}\""),
            For::Nothing => f.write_str("nothing"),
        }
    }
}

impl For {
    /// A name for Graphviz, and what people are shown.
    fn node(&self) -> Option<(String, String)> {
        let id = match self {
            For::Address { memory, address } => format!("a{memory}_{address:x}"),
            For::Mutex { mutex } => format!("m{mutex}"),
            For::Condition { condition, .. } => format!("c{condition}"),
            For::Semaphore { semaphore, .. } => format!("s{semaphore}"),
            For::Nothing => return None,
        };
        let label = match self {
            For::Condition { condition, .. } => format!("condition variable {condition}"),
            other => other.to_string(),
        };
        Some((id, label))
    }
}

fn seconds(ns: u64) -> String {
    format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::tests::{MUTEXES_IN_A_CIRCLE, circle};
    use crate::resources::Resource;
    use wayfarer_snapshot::view::{Entry, HostSection, Thread};

    fn program(sections: Vec<HostSection>, threads: u32) -> ProgramView {
        let thread = |at| Thread {
            entry: Entry::Call,
            frames: vec![],
            tid: 10 + at,
            number: 0,
            watched: vec![],
            waits: None,
        };
        ProgramView { threads: (0..threads).map(thread).collect(), host: sections, ..ProgramView::default() }
    }

    #[test]
    fn of_who_waits_for_nobody_there_is_no_graph() {
        assert_eq!(WaitGraph::of(&program(vec![], 2)), Ok(None));
        let broken = HostSection::new(Locks::NAME, 1, vec![9]);
        assert!(WaitGraph::of(&program(vec![broken], 2)).is_err());
    }

    #[test]
    fn addresses_are_in_it_in_their_order() {
        let place = |before, left| Some(WaitPlace::Address { memory: 1, addr: 64, before, left });
        let places = vec![place(1, None), Some(WaitPlace::Woken), place(0, Some(1_500_000_000)), None];
        let section = HostSection::new(Waits::NAME, 1, Waits::encode(places).unwrap());
        let graph = WaitGraph::of(&program(vec![section], 4)).unwrap().unwrap();
        let text = "waits:\n  thread 11 was woken, and has not noticed yet\n  \
                    thread 12 waits for address 0x40 of memory 1, first, 1.500 s left\n  \
                    thread 10 waits for address 0x40 of memory 1, behind 1, for ever\n";
        assert_eq!(graph.text(), text);
        let dot = graph.dot();
        assert!(dot.contains("t12 -> a1_40 [label=\"1, 1.500 s\"];"), "{dot}");
        let json = serde_json::to_value(&graph).unwrap();
        assert_eq!(json["waits"][1]["for"], "address");
        assert_eq!(json["waits"][1]["address"], 64);
    }

    #[test]
    fn a_deadlock_is_found_and_shown() {
        let section = HostSection::new(Locks::NAME, 1, Locks::encode(circle()).unwrap());
        let graph = WaitGraph::of(&program(vec![section], 8)).unwrap().unwrap();
        assert_eq!(graph.deadlocks, [vec![10, 11, 12], vec![14]]);
        let text = graph.text();
        for line in [
            "  thread 10 waits for mutex 2 of thread 11, first, for ever\n",
            "  thread 13 waits for mutex 1 of thread 10, behind 1, for ever\n",
            "  thread 15 waits for condition variable 5 with mutex 1, first, 0.007 s left\n",
            "  thread 16 waits for semaphore 6 \"a\\\"b\", first, for ever\n",
            "  thread 17 was woken, and has not noticed yet\n",
            "  thread 11 has mutex 2\n",
            "  deadlock: thread 10 waits for mutex 2 of thread 11, which waits for mutex 3 of thread 12, \
             which waits for mutex 1 of thread 10\n",
            "  deadlock: thread 14 waits for mutex 4 of itself\n",
        ] {
            assert!(text.contains(line), "{text} has no {line}");
        }
        let dot = graph.dot();
        for line in [
            "  t10 [shape=box, label=\"thread 10\", color=red];\n",
            "  t13 [shape=box, label=\"thread 13\"];\n",
            "  s6 [label=\"semaphore 6 \\\"a\\\\\\\"b\\\"\"];\n",
            "  t10 -> m2 [label=\"1\", color=red];\n",
            "  t13 -> m1 [label=\"2\"];\n",
            "  m2 -> t11 [style=dashed, color=red];\n",
            "  t15 -> c5 [label=\"1, 0.007 s\"];\n",
        ] {
            assert!(dot.contains(line), "{dot} has no {line}");
        }
        assert_eq!(dot.matches(" -> m").count(), MUTEXES_IN_A_CIRCLE + 2);
        let json = serde_json::to_value(&graph).unwrap();
        assert_eq!(json["deadlocks"][0], serde_json::json!([10, 11, 12]));
    }
}
