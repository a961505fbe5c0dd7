//! Open files whose bytes travel in the image, because somebody has said so, and what was said. A restore puts them where the guest had
//! them before it opens anything.

use super::descriptors::{BesideRecord, CarriedFile, DescriptorsRecord, Operation, find_preopens, in_beside};
use super::{FormatError, Reader, Record, Restoring, Saving};
use crate::beside::{ContentBeside, Failed};
use crate::ctx::{Preopen, WasiCtx};
use crate::dir::show;
use crate::file_choice::{ByPrefix, FileChoice, FilePolicy};
use crate::placing::{Carried, Placing, Refused};
use crate::restore::{RestoreError, RestorePolicy};
use crate::save::SaveError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use wayfarer_files::{Directory, Sparse};

/// Version of this part of a record: as 1, with files that are beside it.
pub(super) const VERSION: u32 = 2;

/// What an image holds of it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct ContentRecord {
    /// Numbers of [`FilePolicy`], and prefixes of paths.
    policies: Vec<(u8, Vec<u8>)>,
    /// In ascending order of their numbers.
    files: Vec<ContentFile>,
    /// Those that are beside the record, likewise.
    beside: Vec<ContentBesideFile>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct ContentBesideFile {
    /// The number that descriptors know it by.
    file: u32,
    content: BesideRecord,
}

/// Where the bytes of a file are.
#[derive(Clone, Copy)]
enum Content<'a> {
    Here(&'a CarriedFile),
    Beside(&'a BesideRecord),
}

impl Content<'_> {
    fn size(&self) -> u64 {
        match self {
            Content::Here(file) => file.bytes.len() as u64,
            Content::Beside(file) => file.size,
        }
    }

    /// Times of access and modification.
    fn times(&self) -> (u64, u64) {
        match self {
            Content::Here(file) => (file.accessed, file.modified),
            Content::Beside(file) => (file.accessed, file.modified),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct ContentFile {
    /// The number that descriptors know it by.
    file: u32,
    content: CarriedFile,
}

/// What travels of the files that descriptors have open. Those in memory all do, elsewhere.
///
/// # Errors
/// They are too large, or cannot be read.
pub(super) fn save(
    ctx: &WasiCtx,
    saving: &mut Saving<'_>,
    record: &DescriptorsRecord,
    in_memory: bool,
) -> Result<ContentRecord, SaveError> {
    let policy = saving.policy;
    let policies = policy.files.iter().map(|(prefix, policy)| (policy.number(), prefix.to_vec())).collect();
    let mut files: Vec<ContentFile> = Vec::new();
    let mut besides: Vec<ContentBesideFile> = Vec::new();
    let operations = record.descriptors.iter().filter_map(|of| Some((of.fd, of.operations.first()?)));
    let unlinked = operations.clone().map(|(_, operation)| match operation {
        Operation::Carry { file, .. } => file.bytes.len() as u64,
        _ => 0,
    });
    let mut all: u64 = unlinked.sum();
    for (fd, operation) in operations.filter(|_| !in_memory) {
        let Operation::Open { preopen, path, identity: Some(identity), .. } = operation else { continue };
        let Some(number) = identity.file else { continue };
        let root = &record.preopens[*preopen as usize].guest_name;
        let known = files.iter().any(|file| file.file == number);
        let known = known || besides.iter().any(|file| file.file == number);
        if known || policy.files.of(root, path) != FilePolicy::Carry {
            continue;
        }
        let failed = |source| SaveError::Io { fd, what: format!("reading `{}`", show(path)), source };
        let descriptor = ctx.table().get(fd).cloned().map_err(|errno| failed(errno.into()))?;
        let file = descriptor.file().map_err(|errno| failed(errno.into()))?;
        let accessed = file.stat().map_err(failed)?.accessed;
        let (size, modified) = (identity.size, identity.modified);
        if let Some(beside) = &mut saving.beside {
            let number_there = beside.add(in_beside(fd, path), size, Arc::clone(&descriptor));
            let content = BesideRecord { number: number_there, size, accessed, modified };
            besides.push(ContentBesideFile { file: number, content });
            continue;
        }
        all = all.saturating_add(size);
        if all > policy.carry_altogether {
            return Err(SaveError::TooLarge { size: all });
        }
        let mut bytes = Vec::new();
        let content = file.content().and_then(|content| content.take(size + 1).read_to_end(&mut bytes));
        content.map_err(failed)?;
        if bytes.len() as u64 != size {
            let source = std::io::Error::other("somebody else writes to it");
            return Err(failed(source));
        }
        let content = CarriedFile { bytes, accessed, modified };
        files.push(ContentFile { file: number, content });
    }
    files.sort_by_key(|file| file.file);
    besides.sort_by_key(|file| file.file);
    Ok(ContentRecord { policies, files, beside: besides })
}

/// Version 0: records that know nothing of it.
pub(super) fn read(version: u32, reader: &mut Reader<'_>) -> Result<ContentRecord, FormatError> {
    match version {
        0 => Ok(ContentRecord::default()),
        1 => {
            let (policies, files) = reader.next()?;
            Ok(ContentRecord { policies, files, beside: Vec::new() })
        }
        _ => reader.next(),
    }
}

pub(super) fn verify(record: &Record) -> Result<(), FormatError> {
    let ContentRecord { policies, files, beside } = &record.content;
    let malformed = |what: String| Err(FormatError::Malformed(what));
    if let Some((number, _)) = policies.iter().find(|(number, _)| FilePolicy::numbered(*number).is_none()) {
        return malformed(format!("files are of policy {number}, which there is not"));
    }
    if let Some(pair) = files.windows(2).find(|pair| pair[0].file >= pair[1].file) {
        return malformed(format!("file number {} is out of order", pair[1].file));
    }
    if let Some(pair) = beside.windows(2).find(|pair| pair[0].file >= pair[1].file) {
        return malformed(format!("file number {} is out of order", pair[1].file));
    }
    for descriptor in &record.descriptors.descriptors {
        if let Some(Operation::Open { identity: Some(identity), .. }) = descriptor.operations.first()
            && let Some(file) = identity.file.and_then(|number| record.content.file(number))
            && file.size() != identity.size
        {
            return malformed(format!("the file of descriptor {} has two sizes", descriptor.fd));
        }
    }
    Ok(())
}

pub(super) fn describe(record: &Record) -> Vec<(&'static str, Value)> {
    let ContentRecord { policies, files, beside } = &record.content;
    let mut members = Vec::new();
    if !policies.is_empty() {
        let policy = |(number, prefix): &(u8, Vec<u8>)| {
            let name = FilePolicy::numbered(*number).map(FilePolicy::name);
            json!({ "policy": name, "prefix": show(prefix) })
        };
        members.push(("file_policies", policies.iter().map(policy).collect()));
    }
    let sizes = files.iter().map(|file| Content::Here(&file.content).size());
    let sizes: Vec<u64> = sizes.chain(beside.iter().map(|file| file.content.size)).collect();
    if !sizes.is_empty() {
        let bytes = sizes.iter().fold(0u64, |sum, size| sum.saturating_add(*size));
        members.push(("carried", json!({ "files": sizes.len(), "bytes": bytes })));
    }
    members
}

impl ContentRecord {
    /// One that carries a file of this number, and whatever else is said of it.
    #[cfg(test)]
    pub(super) fn carrying(file: u32, bytes: &[u8]) -> Self {
        let content = CarriedFile { bytes: bytes.to_vec(), accessed: 1, modified: 2 };
        let files = vec![ContentFile { file, content }];
        ContentRecord { policies: vec![(2, Vec::new())], files, beside: Vec::new() }
    }

    /// What was said of files when the image was taken.
    pub(super) fn policies(&self) -> ByPrefix<FilePolicy> {
        let mut policies = ByPrefix::default();
        for (number, prefix) in &self.policies {
            policies.set(prefix, FilePolicy::numbered(*number).unwrap_or_default());
        }
        policies
    }

    /// The file of this number, if it travels.
    fn file(&self, number: u32) -> Option<Content<'_>> {
        if let Ok(at) = self.files.binary_search_by_key(&number, |file| file.file) {
            return Some(Content::Here(&self.files[at].content));
        }
        let at = self.beside.binary_search_by_key(&number, |file| file.file).ok()?;
        Some(Content::Beside(&self.beside[at].content))
    }
}

/// Checks that what the record says of files beside it is so.
///
/// # Errors
/// There is no such file, or it has another size.
pub(super) fn check_beside(record: &Record, beside: &dyn ContentBeside) -> Result<(), FormatError> {
    let carried = record.content.beside.iter().map(|file| &file.content);
    let operations = record.descriptors.descriptors.iter().filter_map(|of| of.operations.first());
    let unnamed = operations.filter_map(|operation| match operation {
        Operation::CarryBeside { file, .. } => Some(file),
        _ => None,
    });
    for BesideRecord { number, size, .. } in carried.chain(unnamed) {
        match beside.size(*number) {
            Some(found) if found == *size => {}
            Some(found) => {
                let what = format!("file {number} that it carries has {found} bytes, not {size}");
                return Err(FormatError::Malformed(what));
            }
            None => {
                return Err(FormatError::Malformed(format!("file {number} that it carries is not there")));
            }
        }
    }
    Ok(())
}

/// Where files were put, by their numbers. What has several names is put at the first of them, and gets the others.
#[derive(Default)]
struct Placed<'a>(HashMap<u64, (&'a Arc<dyn Directory>, Vec<u8>)>);

impl<'a> Placed<'a> {
    #[expect(clippy::too_many_arguments, reason = "what and where, and what may be done about what is there")]
    fn put(
        &mut self,
        number: u64,
        root: &'a Preopen,
        path: &[u8],
        follow: bool,
        carried: &Carried<'_>,
        policy: &RestorePolicy,
        placing: &mut Placing,
    ) -> Result<(), Refused> {
        if let Some((dir, first)) = self.0.get(&number) {
            return placing.name((dir, first), &root.dir, path, follow);
        }
        self.0.insert(number, (&root.dir, path.to_vec()));
        placing.file(&root.dir, path, follow, carried, policy.files.of(&root.guest_name, path))
    }
}

/// Puts what travels where the guest had it, below the preopens that are `given`.
///
/// # Errors
/// What is there instead, or cannot be made, by name.
pub(super) fn place(
    record: &Record,
    given: &[Preopen],
    restoring: &Restoring<'_>,
    placing: &mut Placing,
) -> Result<(), RestoreError> {
    let &Restoring { policy, beside } = restoring;
    let policies = record.content.policies();
    if policies.is_empty() {
        return Ok(());
    }
    let preopens = find_preopens(given, &record.descriptors)?;
    let mut placed = Placed::default();
    for descriptor in &record.descriptors.descriptors {
        let Some(Operation::Open { preopen, path, follow, directory, identity }) =
            descriptor.operations.first()
        else {
            continue;
        };
        let Some(root) = preopens.get(*preopen as usize).map(|index| &given[*index]) else { continue };
        let number = identity.as_ref().and_then(|identity| identity.file);
        let content = number.and_then(|number| Some((number, record.content.file(number)?)));
        let made = match content {
            // No guest can open such a path, and no image has such a name.
            _ if path.contains(&0) => Err(Refused::Io(wayfarer_files::Errno::Inval.into())),
            Some((number, content)) => {
                let (accessed, modified) = content.times();
                let open = || -> Box<dyn Sparse + '_> {
                    match content {
                        Content::Here(file) => Box::new(&file.bytes[..]),
                        Content::Beside(file) => {
                            beside.open(file.number).unwrap_or_else(|e| Box::new(Failed::new(e)))
                        }
                    }
                };
                let carried = Carried { size: content.size(), accessed, modified, content: &open };
                placed.put(number.into(), root, path, *follow, &carried, policy, placing)
            }
            None if *directory && policies.of(&root.guest_name, path) == FilePolicy::Carry => {
                placing.directory(&root.dir, path)
            }
            None => continue,
        };
        made.map_err(|refused| error(&refused, path, &root.guest_name))?;
    }
    Ok(())
}

/// Puts files in memory, all of which travel, into other directories, as far as their policy is that. What is there stays unless
/// the choice for it says otherwise; whether it is the same is for others to find out.
pub(super) fn lay_out(
    record: &Record,
    files: &wayfarer_files::memory::FilesRecord,
    roots: &[&Preopen],
    policy: &RestorePolicy,
    placing: &mut Placing,
) -> Result<(), RestoreError> {
    use wayfarer_files::memory::RecordedData;

    let policies = record.content.policies();
    if policies.is_empty() {
        return Ok(());
    }
    let mut placed = Placed::default();
    for file in files.files() {
        let Some(root) = roots.get(file.root).copied() else { continue };
        if file.path.is_empty() || policies.of(&root.guest_name, &file.path) != FilePolicy::Carry {
            continue;
        }
        let made = match file.data {
            RecordedData::Directory => placing.directory(&root.dir, &file.path),
            RecordedData::Symlink(target) => placing.symlink(&root.dir, &file.path, target),
            RecordedData::File(content) => {
                let carried = Carried {
                    size: content.size(),
                    accessed: file.accessed,
                    modified: file.modified,
                    content: &|| Box::new(content.reader()),
                };
                placed.put(file.number, root, &file.path, false, &carried, policy, placing)
            }
        };
        made.map_err(|refused| error(&refused, &file.path, &root.guest_name))?;
    }
    Ok(())
}

/// Whether a file is to be compared with what it was.
pub(super) fn is_compared(
    policies: &ByPrefix<FilePolicy>,
    policy: &RestorePolicy,
    preopen: &[u8],
    path: &[u8],
) -> bool {
    policies.of(preopen, path) != FilePolicy::Ignore && policy.files.of(preopen, path) != FileChoice::Changed
}

fn error(refused: &Refused, path: &[u8], preopen: &[u8]) -> RestoreError {
    let what = match refused {
        Refused::Differs(what) => format!("another file is there: {what}"),
        Refused::Io(error) => error.to_string(),
    };
    RestoreError::Carried { path: show(path), preopen: show(preopen), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::record;

    fn file(number: u32) -> ContentFile {
        let content = CarriedFile { bytes: vec![7; 3], accessed: 1, modified: 2 };
        ContentFile { file: number, content }
    }

    fn beside(file: u32) -> ContentBesideFile {
        ContentBesideFile { file, content: BesideRecord { number: 1, size: 5, accessed: 1, modified: 2 } }
    }

    #[test]
    fn they_are_saved_read_again_and_described() {
        let content = ContentRecord {
            policies: vec![(2, b"/d".to_vec())],
            files: vec![file(0), file(2)],
            beside: vec![beside(1), beside(4)],
        };
        let record = Record { content, ..record() };
        let again = Record::decode(&record.encode().unwrap()).unwrap();
        assert_eq!(again, record);
        assert!(again.content.file(2).is_some() && again.content.file(3).is_none());
        assert_eq!(again.content.policies().of(b"/d", b"f"), FilePolicy::Carry);
        let expected = [
            ("file_policies", json!([{ "policy": "carry", "prefix": "/d" }])),
            ("carried", json!({ "files": 4, "bytes": 16 })),
        ];
        assert_eq!(describe(&again), expected);
    }

    #[test]
    fn what_is_beside_the_record_has_to_be_there_and_as_large() {
        struct Sizes(Vec<u64>);
        impl ContentBeside for Sizes {
            fn size(&self, number: u32) -> Option<u64> {
                self.0.get(number as usize).copied()
            }
            fn open(&self, _: u32) -> std::io::Result<Box<dyn Sparse + '_>> {
                panic!("it is not read")
            }
        }
        let content = ContentRecord { beside: vec![beside(9)], ..ContentRecord::default() };
        let record = Record { content, ..record() };
        let check = |sizes| check_beside(&record, &Sizes(sizes)).map_err(|e| e.to_string());
        assert_eq!(check(vec![0, 5]), Ok(()));
        assert!(check(vec![0]).unwrap_err().ends_with("file 1 that it carries is not there"));
        assert!(check(vec![0, 6]).unwrap_err().ends_with("has 6 bytes, not 5"));
    }

    #[test]
    fn the_first_version_knew_nothing_of_what_is_beside_it() {
        let bytes = crate::resources::tests::encode(&(vec![(2u8, b"/d".to_vec())], vec![file(3)]));
        let content = read(1, &mut Reader(&bytes)).unwrap();
        let policies = vec![(2, b"/d".to_vec())];
        assert_eq!(content, ContentRecord { policies, files: vec![file(3)], beside: vec![] });
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |content: ContentRecord| {
            let record = Record { content, ..record() };
            Record::decode(&record.encode().unwrap()).unwrap_err().to_string()
        };
        let none = ContentRecord::default;
        let text = refused(ContentRecord { policies: vec![(9, vec![])], ..none() });
        assert!(text.contains("policy 9"), "{text}");
        let text = refused(ContentRecord { files: vec![file(1), file(1)], ..none() });
        assert!(text.contains("file number 1 is out of order"), "{text}");
        let text = refused(ContentRecord { beside: vec![beside(2), beside(1)], ..none() });
        assert!(text.contains("file number 1 is out of order"), "{text}");
    }
}
