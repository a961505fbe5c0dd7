//! Files of an image that are put where the guest had them, and those that are cut off at the size they had. What was made is taken
//! back if the restore does not come to its end.
//!
//! Paths are resolved by the directories that the host gave, as they are for the guest: an image cannot have anything put outside.

use crate::file_choice::FileChoice;
use crate::resources::same_time;
use crate::signals::without_file_size_signal;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wayfarer_files::{Directory, Errno, File, NewTime, OpenOptions, Opened, Sparse, fill, same_content};

/// A file that an image carries.
pub(crate) struct Carried<'a> {
    pub(crate) size: u64,
    /// Times, nanoseconds since 1970.
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    /// Reads it from its beginning.
    pub(crate) content: &'a dyn Fn() -> Box<dyn Sparse + 'a>,
}

/// Why a file cannot be put there.
pub(crate) enum Refused {
    /// What is there is another one.
    Differs(String),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::Io(error)
    }
}

/// What is to be taken back.
enum Undo {
    File(Vec<u8>),
    Directory(Vec<u8>),
    /// A file has its name no more, and this one.
    Moved {
        path: Vec<u8>,
        backup: Vec<u8>,
    },
    Modified {
        path: Vec<u8>,
        follow: bool,
        modified: u64,
    },
}

/// A file that has grown.
struct Grown {
    dir: Arc<dyn Directory>,
    path: Vec<u8>,
    follow: bool,
    size: u64,
    modified: u64,
}

/// What was put there so far.
#[derive(Default)]
pub(crate) struct Placing {
    done: Vec<(Arc<dyn Directory>, Undo)>,
    grown: Vec<Grown>,
}

impl Placing {
    /// Puts a file there, or finds it there.
    pub(crate) fn file(
        &mut self,
        dir: &Arc<dyn Directory>,
        path: &[u8],
        follow: bool,
        carried: &Carried<'_>,
        choice: FileChoice,
    ) -> Result<(), Refused> {
        let options = OpenOptions { read: true, follow, ..OpenOptions::default() };
        match dir.open(path, &options) {
            Ok(Opened::File(file)) => self.existing(dir, path, follow, &*file, carried, choice),
            Ok(_) => Err(Refused::Differs("something that is no regular file is there".into())),
            Err(e) if Errno::from(&e) == Errno::NoEnt => {
                self.parents(dir, path)?;
                self.write(dir, path, carried)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn existing(
        &mut self,
        dir: &Arc<dyn Directory>,
        path: &[u8],
        follow: bool,
        file: &dyn File,
        carried: &Carried<'_>,
        choice: FileChoice,
    ) -> Result<(), Refused> {
        if choice == FileChoice::Changed {
            return Ok(());
        }
        let stat = file.stat()?;
        let same = stat.size >= carried.size
            && same_content(&mut *file.content()?, &mut (carried.content)(), carried.size)?;
        if same && stat.size == carried.size {
            if !same_time(stat.modified, carried.modified) {
                let modified = NewTime::At(carried.modified);
                dir.set_times_at(path, follow, NewTime::Keep, modified)?;
                let undo = Undo::Modified { path: path.to_vec(), follow, modified: stat.modified };
                self.done.push((dir.clone(), undo));
            }
            return Ok(());
        }
        match choice {
            FileChoice::Truncate if same => {
                self.cut(dir, path, follow, carried.size, carried.modified);
                Ok(())
            }
            FileChoice::Replace => self.replace(dir, path, carried),
            _ if stat.size != carried.size => {
                Err(Refused::Differs(format!("it has {} bytes, it had {}", stat.size, carried.size)))
            }
            _ => Err(Refused::Differs("its content is another".into())),
        }
    }

    /// Makes a file that is not there.
    fn write(&mut self, dir: &Arc<dyn Directory>, path: &[u8], carried: &Carried<'_>) -> Result<(), Refused> {
        let options = OpenOptions { write: true, create: true, exclusive: true, ..OpenOptions::default() };
        let Opened::File(file) = dir.open(path, &options)? else {
            return Err(Refused::Io(Errno::Inval.into()));
        };
        self.done.push((dir.clone(), Undo::File(path.to_vec())));
        let (mut content, &Carried { accessed, modified, .. }) = ((carried.content)(), carried);
        Ok(without_file_size_signal(|| fill(&*file, &mut content, accessed, modified))?)
    }

    /// Puts a file in the place of another, which others may have open.
    fn replace(
        &mut self,
        dir: &Arc<dyn Directory>,
        path: &[u8],
        carried: &Carried<'_>,
    ) -> Result<(), Refused> {
        let (new, backup) = (beside(path), beside(path));
        self.write(dir, &new, carried)?;
        dir.link(path, &**dir, &backup)?;
        self.done.push((dir.clone(), Undo::Moved { path: path.to_vec(), backup }));
        Ok(dir.rename(&new, &**dir, path)?)
    }

    /// Gives a file that was put there one more name, unless something has it.
    pub(crate) fn name(
        &mut self,
        first: (&Arc<dyn Directory>, &[u8]),
        dir: &Arc<dyn Directory>,
        path: &[u8],
        follow: bool,
    ) -> Result<(), Refused> {
        if is_there(&**dir, path, follow)? {
            return Ok(());
        }
        self.parents(dir, path)?;
        first.0.link(first.1, &**dir, path)?;
        self.done.push((dir.clone(), Undo::File(path.to_vec())));
        Ok(())
    }

    /// Makes a directory, and those that it is in, unless it is there.
    pub(crate) fn directory(&mut self, dir: &Arc<dyn Directory>, path: &[u8]) -> Result<(), Refused> {
        if !is_there(&**dir, path, true)? {
            self.parents(dir, path)?;
            self.make_directory(dir, path)?;
        }
        Ok(())
    }

    /// Makes a link, unless something is there.
    pub(crate) fn symlink(
        &mut self,
        dir: &Arc<dyn Directory>,
        path: &[u8],
        target: &[u8],
    ) -> Result<(), Refused> {
        if !is_there(&**dir, path, false)? {
            dir.symlink(target, path)?;
            self.done.push((dir.clone(), Undo::File(path.to_vec())));
        }
        Ok(())
    }

    fn parents(&mut self, dir: &Arc<dyn Directory>, path: &[u8]) -> io::Result<()> {
        for (at, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            let parent = &path[..at];
            if !parent.ends_with(b"/") && at + 1 < path.len() && !is_there(&**dir, parent, true)? {
                self.make_directory(dir, parent)?;
            }
        }
        Ok(())
    }

    fn make_directory(&mut self, dir: &Arc<dyn Directory>, path: &[u8]) -> io::Result<()> {
        dir.create_directory(path)?;
        self.done.push((dir.clone(), Undo::Directory(path.to_vec())));
        Ok(())
    }

    /// Notes that a file is to be cut off.
    pub(crate) fn cut(
        &mut self,
        dir: &Arc<dyn Directory>,
        path: &[u8],
        follow: bool,
        size: u64,
        modified: u64,
    ) {
        self.grown.push(Grown { dir: dir.clone(), path: path.to_vec(), follow, size, modified });
    }

    /// Whether a file is to be cut off.
    pub(crate) fn is_cut(&self, dir: &Arc<dyn Directory>, path: &[u8]) -> bool {
        self.grown.iter().any(|grown| Arc::ptr_eq(&grown.dir, dir) && grown.path == path)
    }

    /// Cuts files off that have grown: what is behind is lost. The last thing that may fail.
    pub(crate) fn cut_all(&mut self) -> Result<(), (Vec<u8>, io::Error)> {
        for grown in self.grown.drain(..) {
            grown.cut().map_err(|e| (grown.path, e))?;
        }
        Ok(())
    }

    /// It stays.
    pub(crate) fn keep(mut self) {
        for (dir, undo) in self.done.drain(..) {
            if let Undo::Moved { backup, .. } = undo {
                let _ = dir.unlink(&backup);
            }
        }
    }
}

impl Grown {
    fn cut(&self) -> io::Result<()> {
        let options = OpenOptions { write: true, follow: self.follow, ..OpenOptions::default() };
        let Opened::File(file) = self.dir.open(&self.path, &options)? else {
            return Err(Errno::Inval.into());
        };
        if file.stat()?.size > self.size {
            file.set_size(self.size)?;
        }
        file.set_times(NewTime::Keep, NewTime::At(self.modified))
    }
}

/// Best effort: whoever changes the directory at the same time has what he made there.
impl Drop for Placing {
    fn drop(&mut self) {
        for (dir, undo) in self.done.drain(..).rev() {
            let _ = match undo {
                Undo::File(path) => dir.unlink(&path),
                Undo::Directory(path) => dir.remove_directory(&path),
                Undo::Moved { path, backup } => {
                    let moved = dir.rename(&backup, &*dir, &path);
                    // One file with both names keeps them when it is renamed.
                    let _ = dir.unlink(&backup);
                    moved
                }
                Undo::Modified { path, follow, modified } => {
                    dir.set_times_at(&path, follow, NewTime::Keep, NewTime::At(modified))
                }
            };
        }
    }
}

fn is_there(dir: &dyn Directory, path: &[u8], follow: bool) -> io::Result<bool> {
    match dir.stat_at(path, follow) {
        Ok(_) => Ok(true),
        Err(e) if Errno::from(&e) == Errno::NoEnt => Ok(false),
        Err(e) => Err(e),
    }
}

/// A name of ours in the same directory.
fn beside(path: &[u8]) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let parent = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path[..parent].to_vec();
    name.extend_from_slice(format!(".wayfarer.{}-{next}", std::process::id()).as_bytes());
    name
}
