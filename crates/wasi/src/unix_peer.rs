//! Which socket is at the other end of a Unix one: asked of the kernel by `sock_diag` (unix_diag), which needs no rights.

use rustix::fd::OwnedFd;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

/// `struct unix_diag_req` behind its `nlmsghdr`.
#[repr(C)]
struct Question {
    header: libc::nlmsghdr,
    family: u8,
    protocol: u8,
    pad: u16,
    states: u32,
    inode: u32,
    show: u32,
    cookie: [u32; 2],
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UDIAG_SHOW_PEER: u32 = 4;
const UNIX_DIAG_PEER: u16 = 2;
/// `nlmsghdr` and `unix_diag_msg`, which attributes come behind.
const ANSWER: usize = 16 + 16;

/// Inode of the other end of the Unix socket with this inode; 0 if that is closed. `None`: the kernel does not say.
pub(crate) fn peer_of(inode: u32) -> Option<u32> {
    attribute(&ask(inode).ok()?)
}

fn ask(inode: u32) -> io::Result<Vec<u8>> {
    // SAFETY: makes a descriptor, which is ours.
    let socket = unsafe {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        let fd = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    let question = Question {
        header: libc::nlmsghdr {
            nlmsg_len: size_of::<Question>() as u32,
            nlmsg_type: SOCK_DIAG_BY_FAMILY,
            nlmsg_flags: libc::NLM_F_REQUEST as u16,
            nlmsg_seq: 0,
            nlmsg_pid: 0,
        },
        family: libc::AF_UNIX as u8,
        protocol: 0,
        pad: 0,
        states: u32::MAX,
        inode,
        show: UDIAG_SHOW_PEER,
        // Any.
        cookie: [u32::MAX; 2],
    };
    let mut answer = vec![0u8; 1024];
    // SAFETY: both buffers are as long as is said. The kernel answers within the call that asks.
    let got = unsafe {
        let sent = libc::send(socket.as_raw_fd(), (&raw const question).cast(), size_of::<Question>(), 0);
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT)
    };
    answer.truncate(usize::try_from(got).map_err(|_| io::Error::last_os_error())?);
    Ok(answer)
}

/// What the answer's attribute says.
fn attribute(answer: &[u8]) -> Option<u32> {
    let word = |at: usize| answer.get(at..at + 2).map(|b| u16::from_ne_bytes([b[0], b[1]]));
    if word(4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let mut at = ANSWER;
    while at < answer.len() {
        let (length, kind) = (usize::from(word(at)?), word(at + 2)?);
        if kind == UNIX_DIAG_PEER {
            let bytes = answer.get(at + 4..at + 8)?;
            return bytes.try_into().ok().map(u32::from_ne_bytes);
        }
        at += length.max(4).next_multiple_of(4);
    }
    Some(0)
}
