//! `fd_*`, but for `fd_readdir`.

use crate::abi::{FDSTAT_SIZE, FILESTAT_SIZE, FileType, fdflags, flags16, fstflags, rights, write_filestat};
use crate::signals::without_sigxfsz;
use crate::table::{Descriptor, Origin};
use crate::{Call, Ended, Stop, io};
use std::io::SeekFrom;
use wayfarer_files::{Advice, Errno, NewTime};

pub(crate) fn fd_close(call: &Call<'_>) -> Ended {
    let closed = call.ctx.table().remove(call.u32(0))?;
    // Closed here, or when the last thread that still uses it lets go; not under the table's lock.
    drop(closed);
    Ok(())
}

pub(crate) fn fd_renumber(call: &Call<'_>) -> Ended {
    let replaced = call.ctx.table().renumber(call.u32(0), call.u32(1))?;
    drop(replaced);
    Ok(())
}

pub(crate) fn fd_advise(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_ADVISE)?;
    let advice = match call.u32(3) {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    if descriptor.filetype == FileType::Directory {
        return Err(Errno::BadF.into());
    }
    file_size(call.u64(1))?;
    file_size(call.u64(2))?;
    Ok(descriptor.file()?.advise(call.u64(1), call.u64(2), advice)?)
}

pub(crate) fn fd_allocate(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_ALLOCATE)?;
    let (offset, len) = (file_size(call.u64(1))?, file_size(call.u64(2))?);
    if len == 0 {
        return Err(Errno::Inval.into());
    }
    file_size(offset.checked_add(len).ok_or(Errno::FBig)?).map_err(|_| Errno::FBig)?;
    let file = descriptor.file()?;
    Ok(io::retry(|| without_sigxfsz(&descriptor, || file.allocate(offset, len)))?)
}

pub(crate) fn fd_datasync(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_DATASYNC)?;
    let file = descriptor.file()?;
    Ok(io::retry(|| file.sync_data())?)
}

pub(crate) fn fd_sync(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_SYNC)?;
    Ok(io::retry(|| descriptor.open().sync())?)
}

pub(crate) fn fd_fdstat_get(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, 0)?;
    let mode = *descriptor.mode();
    let mut stat = [0; FDSTAT_SIZE as usize];
    stat[0] = descriptor.filetype as u8;
    stat[2..4].copy_from_slice(&mode.flags.to_le_bytes());
    stat[8..16].copy_from_slice(&mode.base.to_le_bytes());
    stat[16..24].copy_from_slice(&mode.inheriting.to_le_bytes());
    call.memory.write(call.ptr(1), &stat)?;
    Ok(())
}

pub(crate) fn fd_fdstat_set_flags(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_FDSTAT_SET_FLAGS)?;
    set_flags(&descriptor, flags16(call.u32(1), fdflags::ALL)?)?;
    Ok(())
}

/// Sets WASI `fdflags`. `APPEND` is the file system's affair, `NONBLOCK` ours.
///
/// # Errors
/// `NOTSUP` for a change of `DSYNC`, `RSYNC` or `SYNC`, which Linux can only set when a file is opened.
pub(crate) fn set_flags(descriptor: &Descriptor, flags: u16) -> Result<(), Errno> {
    let mut mode = descriptor.mode();
    let changed = mode.flags ^ flags;
    if changed & (fdflags::DSYNC | fdflags::RSYNC | fdflags::SYNC) != 0 {
        return Err(Errno::NotSup);
    }
    if changed & fdflags::APPEND != 0 {
        descriptor.open().set_append(flags & fdflags::APPEND != 0)?;
    }
    mode.flags = flags;
    Ok(())
}

pub(crate) fn fd_fdstat_set_rights(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, 0)?;
    let (base, inheriting) = (call.u64(1), call.u64(2));
    let mut mode = descriptor.mode();
    if base & !mode.base != 0 || inheriting & !mode.inheriting != 0 {
        return Err(Errno::NotCapable.into());
    }
    (mode.base, mode.inheriting) = (base, inheriting);
    Ok(())
}

pub(crate) fn fd_filestat_get(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_FILESTAT_GET)?;
    let addr = call.out(1, FILESTAT_SIZE)?;
    write_filestat(call.memory, addr, &descriptor.open().stat()?, descriptor.filetype)?;
    Ok(())
}

pub(crate) fn fd_filestat_set_size(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_FILESTAT_SET_SIZE)?;
    let size = file_size(call.u64(1))?;
    let file = descriptor.file()?;
    Ok(io::retry(|| without_sigxfsz(&descriptor, || file.set_size(size)))?)
}

pub(crate) fn fd_filestat_set_times(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_FILESTAT_SET_TIMES)?;
    let (accessed, modified) = times(call.u64(1), call.u64(2), call.u32(3))?;
    Ok(descriptor.open().set_times(accessed, modified)?)
}

/// Access and modification time as `fstflags` choose them.
///
/// # Errors
/// `INVAL` for unknown flags, or a time that is to be both given and now.
pub(crate) fn times(access: u64, modification: u64, flags: u32) -> Result<(NewTime, NewTime), Errno> {
    if flags & !fstflags::ALL != 0 {
        return Err(Errno::Inval);
    }
    let choose = |at: u32, now: u32, nanos| match (flags & at != 0, flags & now != 0) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(NewTime::At(nanos)),
        (false, true) => Ok(NewTime::Now),
        (false, false) => Ok(NewTime::Keep),
    };
    Ok((
        choose(fstflags::ATIM, fstflags::ATIM_NOW, access)?,
        choose(fstflags::MTIM, fstflags::MTIM_NOW, modification)?,
    ))
}

pub(crate) fn fd_read(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_READ)?;
    let buffers = call.buffers(1)?;
    let result = call.out(3, 4)?;
    let count = io::read(call, &descriptor, &buffers)?;
    call.memory.write_u32(result, count as u32)?;
    Ok(())
}

pub(crate) fn fd_pread(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_READ)?;
    positioned(&descriptor)?;
    let buffers = call.buffers(1)?;
    let result = call.out(4, 4)?;
    let count = io::read_at(&descriptor, &buffers, call.u64(3))?;
    call.memory.write_u32(result, count as u32)?;
    Ok(())
}

pub(crate) fn fd_write(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_WRITE)?;
    let buffers = call.buffers(1)?;
    let result = call.out(3, 4)?;
    let count = io::write(call, &descriptor, buffers)?;
    call.memory.write_u32(result, count as u32)?;
    Ok(())
}

pub(crate) fn fd_pwrite(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_WRITE)?;
    positioned(&descriptor)?;
    let buffers = call.buffers(1)?;
    let result = call.out(4, 4)?;
    let count = io::write_at(&descriptor, &buffers, call.u64(3))?;
    call.memory.write_u32(result, count as u32)?;
    Ok(())
}

pub(crate) fn fd_seek(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, 0)?;
    let (offset, whence) = (call.u64(1) as i64, call.u32(2));
    // A seek that only asks needs no more than the right to be told.
    let needed = if whence == 1 && offset == 0 { rights::FD_TELL } else { rights::FD_SEEK | rights::FD_TELL };
    seekable(&descriptor, needed)?;
    let to = match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::Inval.into()),
    };
    let result = call.out(3, 8)?;
    // One that only asks is no use of a standard stream.
    let mut watched = descriptor.watched().filter(|_| needed != rights::FD_TELL);
    if let Some(watched) = &mut watched {
        watched.before_read(descriptor.fd()?);
    }
    let position = descriptor.file()?.seek(to);
    if let Some(watched) = &mut watched {
        watched.after_seek(descriptor.fd()?);
    }
    call.memory.write_u64(result, position?)?;
    Ok(())
}

pub(crate) fn fd_tell(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, 0)?;
    seekable(&descriptor, rights::FD_TELL)?;
    let result = call.out(1, 8)?;
    call.memory.write_u64(result, descriptor.file()?.tell()?)?;
    Ok(())
}

/// # Errors
/// `SPIPE` for what has no position, whatever its rights, so that programs see what they see elsewhere;
/// `NOTCAPABLE`.
fn seekable(descriptor: &Descriptor, needed: u64) -> Result<(), Stop> {
    positioned(descriptor)?;
    // Dropping `FD_TELL` does not take away what `FD_SEEK` allows.
    let held = descriptor.mode().base;
    let held = if held & rights::FD_SEEK != 0 { held | rights::FD_TELL } else { held };
    if held & needed == needed { Ok(()) } else { Err(Errno::NotCapable.into()) }
}

fn positioned(descriptor: &Descriptor) -> Result<(), Stop> {
    match descriptor.filetype {
        FileType::SocketStream | FileType::SocketDgram => Err(Errno::SPipe.into()),
        FileType::CharacterDevice if rustix::termios::isatty(descriptor.fd()?) => Err(Errno::SPipe.into()),
        _ => Ok(()),
    }
}

pub(crate) fn fd_prestat_get(call: &Call<'_>) -> Ended {
    let name = preopen_name(call)?;
    // A tag byte (0: directory), padding, and the length of the name.
    let mut prestat = [0; 8];
    prestat[4..].copy_from_slice(&(name.len() as u32).to_le_bytes());
    call.memory.write(call.ptr(1), &prestat)?;
    Ok(())
}

pub(crate) fn fd_prestat_dir_name(call: &Call<'_>) -> Ended {
    let name = preopen_name(call)?;
    if (call.u32(2) as usize) < name.len() {
        return Err(Errno::NameTooLong.into());
    }
    call.memory.write(call.ptr(1), &name)?;
    Ok(())
}

fn preopen_name(call: &Call<'_>) -> Result<Vec<u8>, Stop> {
    let descriptor = call.descriptor(0, 0)?;
    let Origin::Preopen(index) = descriptor.origin else { return Err(Errno::BadF.into()) };
    let name = call.ctx.preopens().get(index).map(|preopen| preopen.guest_name.clone());
    name.ok_or(Stop::Errno(Errno::BadF))
}

/// A size or offset that the kernel can have.
///
/// # Errors
/// `INVAL`.
fn file_size(size: u64) -> Result<u64, Errno> {
    if i64::try_from(size).is_ok() { Ok(size) } else { Err(Errno::Inval) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_flags() {
        use NewTime::{At, Keep, Now};
        assert_eq!(times(1, 2, 0), Ok((Keep, Keep)));
        assert_eq!(times(1, 2, fstflags::ATIM | fstflags::MTIM_NOW), Ok((At(1), Now)));
        assert_eq!(times(1, 2, fstflags::ATIM_NOW | fstflags::MTIM), Ok((Now, At(2))));
        assert_eq!(times(1, 2, fstflags::MTIM | fstflags::MTIM_NOW), Err(Errno::Inval));
        assert_eq!(times(1, 2, 16), Err(Errno::Inval));
    }
}
