//! The WASI state of one instance.

use crate::clock::Clocks;
use crate::interrupted::InterruptedCalls;
use crate::table::{Descriptor, Handle, Origin, Table, lock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard};

/// One instance's WASI state, shared by its threads. Made by [`WasiBuilder`](crate::WasiBuilder).
///
/// Locks inside are held for look-ups only, never while a call waits.
#[derive(Debug)]
pub struct WasiCtx {
    program: Mutex<Arc<Program>>,
    table: Mutex<Table>,
    pub(crate) clocks: Mutex<Clocks>,
    pub(crate) interrupted: InterruptedCalls,
    pub(crate) preopens: Vec<Preopen>,
    pub(crate) streams: [Stream; 3],
    pub(crate) network: Network,
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
    pub(crate) dir: Arc<File>,
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
    pub(crate) fn handle(&self) -> Handle {
        match self {
            Stream::Process(fd) => Handle::Process(*fd),
            Stream::Given(file) => Handle::Stream(Arc::clone(file)),
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
            let descriptor =
                Descriptor::inspect(Handle::Shared(Arc::clone(&preopen.dir)), Origin::Preopen(i))?;
            table.put(3 + i as u32, Arc::new(descriptor));
        }
        Ok(WasiCtx {
            program: Mutex::new(Arc::new(program)),
            table: Mutex::new(table),
            clocks: Mutex::default(),
            interrupted: InterruptedCalls::default(),
            preopens,
            streams,
            network,
        })
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
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
