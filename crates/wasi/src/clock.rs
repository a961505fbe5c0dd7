//! Clocks. The guest's monotonic and CPU-time clocks are the host's plus an offset, which a restore sets so
//! that they never run backwards for the guest, whatever machine it wakes up on.

use crate::table::lock;
use crate::{Call, Ended};
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};
use serde::{Deserialize, Serialize};
use wayfarer_files::Errno;

pub(crate) const REALTIME: u32 = 0;
pub(crate) const MONOTONIC: u32 = 1;
const PROCESS_CPUTIME: u32 = 2;
const THREAD_CPUTIME: u32 = 3;

/// Guest clocks relative to the host's, nanoseconds.
#[derive(Default, Debug)]
pub(crate) struct Clocks {
    monotonic_offset: i64,
    process_offset: i64,
    thread_offset: i64,
    /// The largest thread time handed out: a restored process starts its threads from there.
    thread_seen: u64,
}

/// The clocks as an image holds them: guest time at the checkpoint, nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ClockRecord {
    pub(crate) monotonic: u64,
    /// `monotonic` less the host's clock, and the boot that clock belongs to: a restore on the same boot goes
    /// on with the host's clock, so the time spent in the image counts as it would for a stopped process.
    pub(crate) monotonic_offset: i64,
    #[serde(deserialize_with = "crate::resources::text")]
    pub(crate) boot: String,
    pub(crate) process: u64,
    pub(crate) thread: u64,
}

impl Clocks {
    /// The guest's monotonic clock.
    pub(crate) fn monotonic(&self) -> u64 {
        shift(host(ClockId::Monotonic), self.monotonic_offset)
    }

    fn now(&mut self, clock: u32) -> Result<u64, Errno> {
        Ok(match clock {
            REALTIME => host(ClockId::Realtime),
            MONOTONIC => self.monotonic(),
            PROCESS_CPUTIME => shift(host(ClockId::ProcessCPUTime), self.process_offset),
            THREAD_CPUTIME => {
                let now = shift(host(ClockId::ThreadCPUTime), self.thread_offset);
                self.thread_seen = self.thread_seen.max(now);
                now
            }
            _ => return Err(Errno::Inval),
        })
    }

    pub(crate) fn save(&self) -> ClockRecord {
        ClockRecord {
            monotonic: self.monotonic(),
            monotonic_offset: self.monotonic_offset,
            boot: boot_id(),
            process: shift(host(ClockId::ProcessCPUTime), self.process_offset),
            thread: self.thread_seen,
        }
    }

    pub(crate) fn restore(record: &ClockRecord) -> Clocks {
        let same_boot = !record.boot.is_empty() && record.boot == boot_id();
        let elapsed = Clocks { monotonic_offset: record.monotonic_offset, ..Clocks::default() };
        // The second condition: containers can have a clock of their own within a boot (time namespaces).
        let monotonic_offset = if same_boot && elapsed.monotonic() >= record.monotonic {
            record.monotonic_offset
        } else {
            difference(record.monotonic, host(ClockId::Monotonic))
        };
        Clocks {
            monotonic_offset,
            process_offset: difference(record.process, host(ClockId::ProcessCPUTime)),
            // Every thread's clock starts at 0 in the new process, so this never shows less than was seen.
            thread_offset: i64::try_from(record.thread).unwrap_or(i64::MAX),
            thread_seen: record.thread,
        }
    }
}

/// The host's clock, nanoseconds.
pub(crate) fn host(clock: ClockId) -> u64 {
    nanos(clock_gettime(clock))
}

/// The host's real-time clock, nanoseconds since 1970.
pub(crate) fn realtime() -> u64 {
    host(ClockId::Realtime)
}

fn nanos(time: Timespec) -> u64 {
    wayfarer_files::timestamp(time.tv_sec, time.tv_nsec as u64)
}

fn shift(time: u64, offset: i64) -> u64 {
    time.saturating_add_signed(offset)
}

/// `to - from`, saturating.
fn difference(to: u64, from: u64) -> i64 {
    i64::try_from(i128::from(to) - i128::from(from)).unwrap_or(if to > from { i64::MAX } else { i64::MIN })
}

/// Names the boot whose monotonic clock this is (proc_sys_kernel(5)); empty if the host does not say.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

pub(crate) fn clock_res_get(call: &Call<'_>) -> Ended {
    let clock = match call.u32(0) {
        REALTIME => ClockId::Realtime,
        MONOTONIC => ClockId::Monotonic,
        PROCESS_CPUTIME => ClockId::ProcessCPUTime,
        THREAD_CPUTIME => ClockId::ThreadCPUTime,
        _ => return Err(Errno::Inval.into()),
    };
    call.memory.write_u64(call.ptr(1), nanos(clock_getres(clock)))?;
    Ok(())
}

/// The precision (parameter 1) is a hint; the host's clock is always read afresh.
pub(crate) fn clock_time_get(call: &Call<'_>) -> Ended {
    let now = lock(&call.ctx.clocks).now(call.u32(0))?;
    call.memory.write_u64(call.ptr(2), now)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(monotonic: u64, offset: i64, boot: String) -> ClockRecord {
        ClockRecord {
            monotonic,
            monotonic_offset: offset,
            boot,
            process: 7_000_000_000,
            thread: 5_000_000_000,
        }
    }

    #[test]
    fn on_another_machine_time_goes_on_where_it_stopped() {
        for saved in [1, u64::MAX / 4] {
            let mut clocks = Clocks::restore(&record(saved, 123, "another boot".into()));
            let now = clocks.now(MONOTONIC).unwrap();
            assert!(now >= saved && now - saved < 1_000_000_000, "{saved} -> {now}");
        }
    }

    #[test]
    fn on_the_same_boot_the_time_in_the_image_counts() {
        let before = Clocks::default();
        let mut record = before.save();
        assert!(!record.boot.is_empty());
        record.monotonic -= 3_000_000_000;
        let now = Clocks::restore(&record).monotonic();
        assert!(now >= record.monotonic + 3_000_000_000);
        // A clock that would step back is not believed.
        record.monotonic = now + 60_000_000_000;
        assert!(Clocks::restore(&record).monotonic() >= record.monotonic);
    }

    #[test]
    fn cpu_clocks_do_not_run_backwards() {
        let mut clocks = Clocks::restore(&record(0, 0, String::new()));
        assert!(clocks.now(PROCESS_CPUTIME).unwrap() >= 7_000_000_000);
        assert!(clocks.now(THREAD_CPUTIME).unwrap() >= 5_000_000_000);
        assert!(clocks.save().thread >= 5_000_000_000);
        assert_eq!(clocks.now(9), Err(Errno::Inval));
    }
}
