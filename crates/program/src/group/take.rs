//! A store's checkpoint as a member of a group.

use std::path::Path;
use std::sync::Arc;

use wayfarer_runtime::Store;
use wayfarer_snapshot::Reason;
use wayfarer_snapshot::view::Thread;
use wayfarer_wasi::ChannelEnd;

use super::{Group, GroupOrder};
use crate::driver::Driver;
use crate::host;
use crate::instance::HostParts;
use crate::policy::Policy;
use crate::watcher;
use crate::{Report, Target, Wanted};

impl Driver {
    /// The same, while all members of a group stand still.
    pub(crate) fn take_in_group(
        &self,
        group: &Group,
        store: &Store,
        policy: &Policy,
        ready: Result<Vec<Thread>, String>,
        reason: Reason,
    ) -> Result<Report, String> {
        let ends = ends(store);
        let own = ends.clone();
        let take = |threads: Vec<Thread>, path: &Path, others: Arc<[ChannelEnd]>| {
            only_one_reads(&own, &others, host::instances())?;
            self.take_by_policy(store, &threads, path, reason, Some(others))
        };
        // Whoever asked meanwhile has been served.
        let served = || {
            self.need_not_by_policy();
            watcher::forget();
        };
        let taken = group.checkpoint(&policy.path, policy.group_limit, ready, ends, take, served);
        if taken.is_err() {
            served();
        }
        taken
    }
}

impl Driver {
    /// An image that the host has ordered, while all members of its group stand still.
    pub(crate) fn take_ordered_in_group(
        &self,
        store: &Store,
        ready: Result<Vec<Thread>, String>,
        wanted: &Wanted,
        order: &GroupOrder,
    ) -> Result<Report, String> {
        let Target::Path(image) = &wanted.target else {
            return Err("only an image that goes to a path can be of a group".to_owned());
        };
        let group = super::join_for(order, image)?;
        let ends = ends(store);
        let own = ends.clone();
        let take = |threads, path: &Path, others: Arc<[ChannelEnd]>| {
            only_one_reads(&own, &others, store.instance_count())?;
            let part = Wanted {
                target: Target::Path(path.to_owned()),
                compression: wanted.compression,
                reason: wanted.reason,
                files: wanted.files.clone(),
                group: None,
                leaves: wanted.leaves.clone(),
            };
            self.take_alone(store, threads, &part, Some(others))
        };
        // Nobody asks a member that orders its images itself.
        group.checkpoint(image, order.limit, ready, ends, take, || ())
    }
}

/// Ends of pipes and streams that the process and the instances of a store have.
fn ends(store: &Store) -> Vec<ChannelEnd> {
    let mut ends = ChannelEnd::of_process();
    let instances = store.instances().filter_map(HostParts::of_host);
    ends.extend(instances.flat_map(|parts| parts.wasi.channel_ends()));
    ends
}

/// # Errors
/// What others write could be for several instances.
fn only_one_reads(own: &[ChannelEnd], others: &[ChannelEnd], instances: usize) -> Result<(), String> {
    let fed = others.iter().any(|other| own.iter().any(|end| other.feeds(end)));
    if fed && instances > 1 {
        return Err(
            "several instances of a process could read what other members of its group write".to_owned()
        );
    }
    Ok(())
}
