//! Artifacts to bytes.

use crate::format::{ALIGN, MAGIC, VERSION, checksum};
use crate::{Artifact, Section, Target};
use std::io::{self, Write};

impl Artifact {
    /// The artifact's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let objects: usize = self.objects.iter().map(|o| o.bytes.len()).sum();
        let mut out = Vec::with_capacity(self.module.len() + objects + 1024);
        self.write_to(&mut out).expect("writing to memory does not fail");
        out
    }

    /// Writes the artifact's bytes. The error is the writer's.
    pub fn write_to(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&(4 + self.objects.len() as u64).to_le_bytes())?;

        let mut producer = Vec::new();
        producer.extend_from_slice(&self.abi.to_le_bytes());
        string(&mut producer, &self.compiler);
        section(&mut out, Section::Producer, &producer)?;
        section(&mut out, Section::Target, &target(&self.target))?;
        let mut options = vec![
            self.options.checkpoints.into(),
            self.options.bounds.number(),
            self.options.precise_stable_points.into(),
            self.options.opt_level,
            self.options.size_level,
        ];
        // Only where it is so: readers that don't know of it would run the rest of the module in another way.
        if self.options.deterministic {
            options.push(1);
        }
        section(&mut out, Section::Options, &options)?;
        section(&mut out, Section::Module, &self.module)?;
        for object in &self.objects {
            let mut payload = Vec::with_capacity(8 + object.bytes.len());
            payload.extend_from_slice(&object.kind.number().to_le_bytes());
            payload.extend_from_slice(&object.bytes);
            section(&mut out, Section::Object, &payload)?;
        }
        Ok(())
    }
}

fn section(out: &mut impl Write, section: Section, payload: &[u8]) -> io::Result<()> {
    out.write_all(&section.number().to_le_bytes())?;
    out.write_all(&checksum(section.number(), payload).to_le_bytes())?;
    out.write_all(&(payload.len() as u64).to_le_bytes())?;
    out.write_all(payload)?;
    out.write_all(&[0; ALIGN][..payload.len().wrapping_neg() % ALIGN])
}

fn string(out: &mut Vec<u8>, string: &str) {
    out.extend_from_slice(&(string.len() as u64).to_le_bytes());
    out.extend_from_slice(string.as_bytes());
}

fn target(target: &Target) -> Vec<u8> {
    let mut out = Vec::new();
    string(&mut out, target.arch.name());
    string(&mut out, &target.triple);
    string(&mut out, &target.cpu);
    string(&mut out, &target.features);
    out.extend_from_slice(&(target.required.len() as u64).to_le_bytes());
    for feature in &target.required {
        string(&mut out, feature);
    }
    out
}
