//! One checkpoint of a group: all stop, all write, and then it is decided.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use wayfarer_wasi::ChannelEnd;

use super::member::{Member, Members, State};

/// Time between two looks at the others.
const INTERVAL: Duration = Duration::from_millis(2);

/// Time until one is asked once more: it may have been about to go on from the checkpoint before.
const AGAIN: Duration = Duration::from_millis(50);

/// A checkpoint that this member takes part in.
pub(super) struct Round<'a> {
    members: &'a Members,
    limit: Duration,
    number: u64,
}

impl<'a> Round<'a> {
    /// This member stands still: for the checkpoint that others have begun, or for a new one.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(super) fn begin(
        members: &'a Members,
        limit: Duration,
        image: &Path,
        ends: Vec<ChannelEnd>,
    ) -> Result<Round<'a>, String> {
        let _held = members.hold().map_err(of_folder)?;
        let others = members.others().map_err(of_folder)?;
        let last = others.iter().map(|member| member.round).max().unwrap_or(0).max(members.last_round());
        // What is decided is over.
        let open = last > 0
            && members.decision(last).is_none()
            && others
                .iter()
                .any(|member| member.round == last && is_still(member) && members.is_alive(member));
        // Members that are gone, and nobody knows of any more, may have taken part in some.
        let decided = |number: &u64| members.decision(*number).is_some();
        let number = if open { last } else { (last + 1..).find(|number| !decided(number)).unwrap_or(last) };
        members.set_image(image);
        members.say(State::Stopped, Some((number, ends))).map_err(of_folder)?;
        Ok(Round { members, limit, number })
    }

    /// Has the others stop, and waits until they have.
    ///
    /// # Errors
    /// Why there is no checkpoint.
    pub(super) fn all_stopped(&self) -> Result<(), String> {
        let mut asked: HashMap<i32, Instant> = HashMap::new();
        self.wait("did not stop", |member| {
            let here = member.round == self.number && is_still(member);
            if !here && asked.get(&member.process).is_none_or(|asked| asked.elapsed() >= AGAIN) {
                asked.insert(member.process, Instant::now());
                // SAFETY: asks a process that says that it handles this signal, and was alive just now.
                unsafe { libc::kill(member.process, member.signal) };
            }
            here
        })
    }

    /// Says that this member's image is written, and waits until the others' are.
    ///
    /// # Errors
    /// Why there is no checkpoint.
    pub(super) fn all_written(&self) -> Result<(), String> {
        self.members.say(State::Written, None).map_err(of_folder)?;
        let written = self.wait("did not write its image", |member| {
            member.round == self.number && member.state == State::Written
        });
        // Whatever this one has seen: another may have decided meanwhile.
        self.members.decide(self.number, &written)
    }

    /// There is no checkpoint, for this reason or for another's.
    ///
    /// # Errors
    /// Always, but for what cannot be: that there is one.
    pub(super) fn give_up<R>(&self, why: String) -> Result<R, String> {
        Err(self.members.decide(self.number, &Err(why.clone())).err().unwrap_or(why))
    }

    /// Ends that the others have. Those who have ended read no more.
    pub(super) fn others(&self) -> Result<Vec<ChannelEnd>, String> {
        let others = self.members.others().map_err(of_folder)?;
        let ends = others.iter().flat_map(|member| {
            let ended = member.state == State::Ended;
            member.ends.iter().map(move |end| {
                let mut end = *end;
                end.reads &= !ended;
                end
            })
        });
        Ok(ends.collect())
    }

    /// Images of those who have ended are of an earlier checkpoint, and would not go with these.
    pub(super) fn remove_images_of_ended(&self) {
        for member in self.members.others().unwrap_or_default() {
            if member.state == State::Ended {
                let _ = std::fs::remove_file(&member.image);
            }
        }
    }

    /// Waits until all others are where they are to be, or have ended.
    fn wait(&self, what: &str, mut is_there: impl FnMut(&Member) -> bool) -> Result<(), String> {
        let start = Instant::now();
        loop {
            if let Some(Err(why)) = self.members.decision(self.number) {
                return Err(why);
            }
            let others = self.members.others().map_err(of_folder)?;
            let mut missing = Vec::new();
            for member in others.iter().filter(|member| member.state != State::Ended) {
                if !self.members.is_alive(member) {
                    self.check_death(member)?;
                } else if !is_there(member) {
                    missing.push(member.name());
                }
            }
            let known = others.len() + 1;
            if missing.is_empty() && known >= self.members.size
                || self.members.decision(self.number).is_some()
            {
                return self.members.decision(self.number).unwrap_or(Ok(()));
            }
            if start.elapsed() >= self.limit {
                let limit = self.limit;
                return Err(match &missing[..] {
                    [] => format!(
                        "only {known} of {} members of the group are there, also after {limit:?}",
                        self.members.size
                    ),
                    names => format!("{} {what} within {limit:?}", names.join(" and ")),
                });
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// Who does not live has ended, has died, or has left as all are good.
    fn check_death(&self, member: &Member) -> Result<(), String> {
        if self.members.decision(self.number) == Some(Ok(())) {
            return Ok(());
        }
        let others = self.members.others().map_err(of_folder)?;
        // It may have said so just now.
        let ended = others.iter().any(|now| now.process == member.process && now.state == State::Ended);
        if ended || self.members.decision(self.number) == Some(Ok(())) {
            return Ok(());
        }
        Err(format!("{} has died", member.name()))
    }
}

fn of_folder(error: std::io::Error) -> String {
    format!("the group's folder: {error}")
}

fn is_still(member: &Member) -> bool {
    matches!(member.state, State::Stopped | State::Written)
}
