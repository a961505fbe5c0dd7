//! Children of this process: which of them this is, and what they must not share with it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

/// How often the process was forked on the way to this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between the process that loaded this library and this one. Async-signal-safe.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::SeqCst)
}

/// Has forks counted from now on, and lets children have descriptors of their own to be woken by.
pub fn notice() {
    static NOTICED: AtomicBool = AtomicBool::new(false);
    if !NOTICED.swap(true, Ordering::SeqCst) {
        // SAFETY: the functions are as fork(2) wants them, and go with this library, as their registration does.
        unsafe { libc::pthread_atfork(None, Some(in_parent), Some(in_child)) };
    }
}

/// Has functions called around each fork from now on: before it, in the parent, and in the child; once, however often this is
/// called with the same `noted`.
///
/// # Safety
/// The one for children does only what is async-signal-safe, and all go with this library, as their registration does.
pub unsafe fn around(
    noted: &'static AtomicBool,
    before: unsafe extern "C" fn(),
    in_parent: unsafe extern "C" fn(),
    in_child: unsafe extern "C" fn(),
) {
    if !noted.swap(true, Ordering::SeqCst) {
        // SAFETY: as the caller promises, which is how fork(2) wants them.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    }
}

/// Has a function called in every child from now on; once, however often this is called with the same `noted`.
///
/// # Safety
/// The function does only what is async-signal-safe, and goes with this library, as its registration does.
pub unsafe fn in_children(noted: &'static AtomicBool, function: unsafe extern "C" fn()) {
    if !noted.swap(true, Ordering::SeqCst) {
        // SAFETY: as the caller promises, which is how fork(2) wants it.
        unsafe { libc::pthread_atfork(None, None, Some(function)) };
    }
}

/// Deepest line of children that is told apart.
const DEEPEST: usize = 64;

/// For each ancestor, which of its forks led here, and at [`DEPTH`] how often this process has forked.
static LINEAGE: [AtomicU32; DEEPEST] = [const { AtomicU32::new(0) }; DEEPEST];
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// Which child of which child a process is. A program that is started again and does the same has the same ones.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// For each ancestor, from the first one on, which of its forks led here, counted from 1.
    pub ancestors: Vec<u32>,
    /// How often the process itself has forked.
    pub forks: u32,
}

impl Lineage {
    /// That of this process, counted since [`notice`].
    pub fn here() -> Lineage {
        let depth = depth();
        let ancestors = LINEAGE[..depth].iter().map(|forks| forks.load(Ordering::SeqCst)).collect();
        Lineage { ancestors, forks: LINEAGE[depth].load(Ordering::SeqCst) }
    }

    /// Whether its children can be told from itself.
    pub fn is_too_deep(&self) -> bool {
        self.ancestors.len() >= DEEPEST - 1
    }

    /// This process goes on as that one; as far as lines of children go.
    pub fn assume(&self) {
        let depth = self.ancestors.len().min(DEEPEST - 1);
        for (to, forks) in LINEAGE.iter().zip(&self.ancestors) {
            to.store(*forks, Ordering::SeqCst);
        }
        LINEAGE[depth].store(self.forks, Ordering::SeqCst);
        DEPTH.store(depth, Ordering::SeqCst);
    }
}

/// Where in [`LINEAGE`] this process is.
fn depth() -> usize {
    DEPTH.load(Ordering::SeqCst).min(DEEPEST - 1)
}

/// Counts the fork, as the child does. Async-signal-safe.
unsafe extern "C" fn in_parent() {
    LINEAGE[depth()].fetch_add(1, Ordering::SeqCst);
}

/// Only what is async-signal-safe: other threads of the parent may have held any lock.
unsafe extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
    let depth = depth();
    LINEAGE[depth].fetch_add(1, Ordering::SeqCst);
    if depth + 1 < DEEPEST {
        LINEAGE[depth + 1].store(0, Ordering::SeqCst);
        DEPTH.store(depth + 1, Ordering::SeqCst);
    }
    crate::threads::keep_own();
    crate::wake::renew_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forks, and lets `f` say in the child whether all is well.
    fn child(f: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child calls only `f`, which allocates at most, and leaves.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit(i32::from(!f()));
            }
            let mut status = 0;
            libc::waitpid(pid, &mut status, 0) == pid && status == 0
        }
    }

    #[test]
    fn children_know_which_they_are() {
        notice();
        // Other tests may fork meanwhile.
        let before = Lineage::here();
        assert!(child(|| {
            let me = Lineage::here();
            let mine = [&before.ancestors[..], &[me.ancestors[before.ancestors.len()]]].concat();
            let eldest = me == Lineage { ancestors: mine.clone(), forks: 0 }
                && me.ancestors.last() > Some(&before.forks);
            let second = child(|| true)
                && Lineage::here().forks == 1
                && child(|| Lineage::here() == Lineage { ancestors: [&mine[..], &[2]].concat(), forks: 0 });
            let other = Lineage { ancestors: vec![7, 8, 9], forks: 4 };
            other.assume();
            eldest && second && Lineage::here() == other
        }));
        assert!(Lineage::here().forks > before.forks);
    }

    #[test]
    fn a_very_long_line_of_children_ends_somewhere() {
        notice();
        assert!(child(|| {
            Lineage { ancestors: vec![1; 100], forks: 2 }.assume();
            let deep = Lineage::here();
            deep.is_too_deep() && child(|| Lineage::here().ancestors == deep.ancestors)
        }));
    }
}
