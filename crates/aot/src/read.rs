//! Bytes to artifacts. Every length is compared with what is there before anything is taken or allocated.

use crate::format::{ALIGN, HEADER, SECTION_HEADER, VERSION, checksum, is_upstream, version_word};
use crate::{Arch, Artifact, ArtifactError, Bounds, Object, ObjectKind, Options, Section, Target};

/// Most features a target may require. A short name takes several times its bytes in memory: this bounds it.
const MOST_FEATURES: u64 = 1024;

impl Artifact {
    /// Reads an artifact that takes up all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Artifact, ArtifactError> {
        let version = version_word(bytes).ok_or(ArtifactError::NotAnArtifact)?;
        if is_upstream(bytes) {
            return Err(ArtifactError::Upstream { version });
        }
        if version != VERSION {
            return Err(ArtifactError::Version { found: version });
        }
        let mut file = File { bytes, at: 8 };
        let count = u64::from_le_bytes(file.array("the number of sections")?);
        debug_assert_eq!(file.at, HEADER);

        let mut producer = None;
        let mut target = None;
        let mut options = None;
        let mut module = None;
        let mut objects = Vec::new();
        let mut last = None;
        for _ in 0..count {
            let offset = file.at as u64;
            let (section, mut fields) = file.section()?;
            // Only objects may come more than once.
            if last > Some(section) || (last == Some(section) && section != Section::Object) {
                return Err(ArtifactError::Order { section, offset });
            }
            last = Some(section);
            match section {
                Section::Producer => producer = Some((fields.u32()?, fields.string()?)),
                Section::Target => target = Some(fields.target()?),
                Section::Options => options = Some(fields.options()?),
                Section::Module => module = Some(fields.rest().into()),
                Section::Object => {
                    let at = fields.at;
                    let kind = fields.u64()?;
                    let kind = ObjectKind::from_number(kind)
                        .ok_or_else(|| fields.malformed(at, format!("unknown kind of object {kind}")))?;
                    objects.push(Object { kind, bytes: fields.rest().into() });
                }
            }
            fields.end()?;
        }
        if file.at < bytes.len() {
            return Err(ArtifactError::Trailing {
                offset: file.at as u64,
                len: (bytes.len() - file.at) as u64,
            });
        }
        let (abi, compiler) = producer.ok_or(ArtifactError::Missing(Section::Producer))?;
        Ok(Artifact {
            abi,
            compiler,
            target: target.ok_or(ArtifactError::Missing(Section::Target))?,
            options: options.ok_or(ArtifactError::Missing(Section::Options))?,
            module: module.ok_or(ArtifactError::Missing(Section::Module))?,
            objects,
        })
    }
}

/// The whole file, read from front to back.
struct File<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> File<'a> {
    fn take(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], ArtifactError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or(ArtifactError::Truncated {
            what,
            offset: self.at as u64,
            needed: len,
            have: rest.len() as u64,
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ArtifactError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    /// The section that starts here, with the padding that follows it.
    fn section(&mut self) -> Result<(Section, Fields<'a>), ArtifactError> {
        let offset = self.at as u64;
        let header = self.array::<SECTION_HEADER>("a section header")?;
        let (number, header) = header.split_first_chunk().expect("16 bytes");
        let (crc, header) = header.split_first_chunk().expect("12 bytes");
        let (len, _) = header.split_first_chunk().expect("8 bytes");
        let number = u32::from_le_bytes(*number);
        let section = Section::from_number(number).ok_or(ArtifactError::UnknownSection { number, offset })?;
        let start = self.at;
        let payload = self.take(u64::from_le_bytes(*len), "a section")?;
        if checksum(number, payload) != u32::from_le_bytes(*crc) {
            return Err(ArtifactError::Checksum { section, offset });
        }
        let padding = self.at;
        if self.take((self.at.wrapping_neg() % ALIGN) as u64, "padding")?.iter().any(|&b| b != 0) {
            return Err(ArtifactError::Padding { offset: padding as u64 });
        }
        Ok((section, Fields { section, bytes: payload, start, at: 0 }))
    }
}

/// A section's payload, read from front to back.
struct Fields<'a> {
    section: Section,
    bytes: &'a [u8],
    /// Where the payload is in the file.
    start: usize,
    at: usize,
}

impl<'a> Fields<'a> {
    fn malformed(&self, at: usize, why: impl Into<String>) -> ArtifactError {
        ArtifactError::Malformed { section: self.section, offset: (self.start + at) as u64, why: why.into() }
    }

    fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], ArtifactError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or_else(|| {
            self.malformed(self.at, format!("{len} bytes should follow, {} do", rest.len()))
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArtifactError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, ArtifactError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ArtifactError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ArtifactError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn bool(&mut self) -> Result<bool, ArtifactError> {
        let at = self.at;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(self.malformed(at, format!("{byte} is neither no (0) nor yes (1)"))),
        }
    }

    fn level(&mut self) -> Result<u8, ArtifactError> {
        let at = self.at;
        match self.u8()? {
            level @ 0..=3 => Ok(level),
            level => Err(self.malformed(at, format!("level {level} is above 3"))),
        }
    }

    fn string(&mut self) -> Result<String, ArtifactError> {
        let len = self.u64()?;
        let at = self.at;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|e| self.malformed(at + e.valid_up_to(), "a string is not UTF-8"))
    }

    fn target(&mut self) -> Result<Target, ArtifactError> {
        let at = self.at;
        let arch = self.string()?;
        let arch = Arch::from_name(&arch)
            .ok_or_else(|| self.malformed(at, format!("unknown architecture {arch:?}")))?;
        let triple = self.string()?;
        let cpu = self.string()?;
        let features = self.string()?;
        let at = self.at;
        let count = self.u64()?;
        if count > MOST_FEATURES {
            return Err(self.malformed(at, format!("{count} features are more than {MOST_FEATURES}")));
        }
        let mut required = Vec::new();
        for _ in 0..count {
            let at = self.at;
            let feature = self.string()?;
            if feature.is_empty() {
                return Err(self.malformed(at, "a feature has no name"));
            }
            required.push(feature);
        }
        Ok(Target { arch, triple, cpu, features, required })
    }

    fn options(&mut self) -> Result<Options, ArtifactError> {
        let checkpoints = self.bool()?;
        let at = self.at;
        let bounds = self.u8()?;
        let bounds = Bounds::from_number(bounds)
            .ok_or_else(|| self.malformed(at, format!("unknown kind of bounds checks {bounds}")))?;
        let (precise_stable_points, opt_level, size_level) = (self.bool()?, self.level()?, self.level()?);
        let deterministic = self.at < self.bytes.len();
        let at = self.at;
        if deterministic && !self.bool()? {
            return Err(self.malformed(at, "an option that is only written if it is set"));
        }
        Ok(Options { checkpoints, bounds, precise_stable_points, opt_level, size_level, deterministic })
    }

    fn end(&self) -> Result<(), ArtifactError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(self.malformed(self.at, format!("{left} bytes too many"))),
        }
    }
}
