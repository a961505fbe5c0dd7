//! The WASI state of one instance.

use crate::back_end::BackEnd;
use crate::clock::Clocks;
use crate::file_choice::{ByPrefix, FileChoice, FilePolicy};
use crate::interrupted::InterruptedCalls;
use crate::locks::Locks;
use crate::table::{Descriptor, HostHandle, Origin, Table, lock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use wayfarer_files::Directory;

/// One instance's WASI state, shared by its threads. Made by [`WasiBuilder`](crate::WasiBuilder).
///
/// Locks inside are held for look-ups only, never while a call waits.
#[derive(Debug)]
pub struct WasiCtx {
    program: Mutex<Arc<Program>>,
    table: Mutex<Table>,
    pub(crate) clocks: Mutex<Clocks>,
    pub(crate) interrupted: InterruptedCalls,
    /// Whose files the guest is to see, if the host has said so.
    pub(crate) back_end: Option<BackEnd>,
    /// What a restore is to do about files that are not what they were, if the host has said so.
    pub(crate) restore_files: Option<ByPrefix<FileChoice>>,
    /// What was said of open files for the image that it comes from.
    pub(crate) file_policies: Mutex<ByPrefix<FilePolicy>>,
    /// Sockets that are standard streams, and that the guest has changed: device and inode.
    pub(crate) changed_streams: Mutex<Vec<(u64, u64)>>,
    preopens: Mutex<Arc<[Preopen]>>,
    /// Locks on its files.
    pub(crate) locks: Mutex<Locks>,
    pub(crate) streams: [Stream; 3],
    pub(crate) network: Network,
}

/// What can be said of a descriptor, for those who tell others of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DescriptorState {
    /// Whether the guest may read from it.
    pub can_read: bool,
    /// Whether the guest may write to it.
    pub can_write: bool,
    /// Where it is, if it has a position.
    pub offset: Option<u64>,
}

/// What the program was started with.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) args: Vec<Vec<u8>>,
    /// `KEY=VALUE` strings.
    pub(crate) env: Vec<Vec<u8>>,
}

/// A directory the host lets the guest see. The context keeps it open even if the guest closes its
/// descriptor: files opened below are saved relative to it.
#[derive(Debug)]
pub(crate) struct Preopen {
    pub(crate) guest_name: Vec<u8>,
    pub(crate) dir: Arc<dyn Directory>,
}

/// Standard stream of the host: never closed by us.
#[derive(Clone, Debug)]
pub(crate) enum Stream {
    /// One of the process's own three.
    Process(BorrowedFd<'static>),
    /// Another descriptor that the host gave.
    Given(Arc<ManuallyDrop<File>>),
}

impl Stream {
    pub(crate) fn handle(&self) -> HostHandle {
        match self {
            Stream::Process(fd) => HostHandle::Process(*fd),
            Stream::Given(file) => HostHandle::Stream(Arc::clone(file)),
        }
    }
}

/// What the guest may reach over the network.
#[derive(Clone, Default, Debug)]
pub(crate) struct Network {
    pub(crate) addresses: Vec<crate::socket_address::Range>,
    /// Host names the guest may resolve: exact, or `*suffix`.
    pub(crate) names: Vec<String>,
}

impl WasiCtx {
    pub(crate) fn new(
        program: Program,
        back_end: Option<BackEnd>,
        preopens: Vec<Preopen>,
        streams: [Stream; 3],
        network: Network,
    ) -> Result<Self, rustix::io::Errno> {
        let mut table = Table::default();
        for (i, stream) in streams.iter().enumerate() {
            match Descriptor::inspect(stream.handle(), Origin::Stdio(i)) {
                Ok(descriptor) => table.put(i as u32, Arc::new(descriptor)),
                // A daemon may have closed its standard streams: then the guest has none either.
                Err(rustix::io::Errno::BADF) if matches!(stream, Stream::Process(_)) => {}
                Err(errno) => return Err(errno),
            }
        }
        for (i, preopen) in preopens.iter().enumerate() {
            table.put(3 + i as u32, Arc::new(Descriptor::preopen(Arc::clone(&preopen.dir), i)));
        }
        Ok(WasiCtx {
            program: Mutex::new(Arc::new(program)),
            table: Mutex::new(table),
            clocks: Mutex::default(),
            interrupted: InterruptedCalls::default(),
            back_end,
            restore_files: None,
            file_policies: Mutex::default(),
            changed_streams: Mutex::default(),
            preopens: Mutex::new(preopens.into()),
            locks: Mutex::default(),
            streams,
            network,
        })
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// What can be said of a descriptor; `None` if there is none of this number.
    pub fn descriptor_state(&self, fd: u32) -> Option<DescriptorState> {
        let descriptor = Arc::clone(self.table().get(fd).ok()?);
        let rights = descriptor.mode().base;
        Some(DescriptorState {
            can_read: rights & crate::abi::rights::FD_READ != 0,
            can_write: rights & crate::abi::rights::FD_WRITE != 0,
            offset: descriptor.file().ok().and_then(|file| file.tell().ok()),
        })
    }

    pub(crate) fn preopens(&self) -> Arc<[Preopen]> {
        Arc::clone(&lock(&self.preopens))
    }

    pub(crate) fn set_preopens(&self, preopens: Arc<[Preopen]>) {
        *lock(&self.preopens) = preopens;
    }

    pub(crate) fn program(&self) -> Arc<Program> {
        Arc::clone(&lock(&self.program))
    }

    pub(crate) fn set_program(&self, program: Program) {
        *lock(&self.program) = Arc::new(program);
    }
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<WasiCtx>();
};
