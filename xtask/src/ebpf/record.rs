//! The record beside the objects: what they were compiled from, and by what.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{compile::replace, source, toolchain::Toolchain};

/// The record's file name.
pub const FILE: &str = "record.json";

/// Says what a folder of objects was compiled from, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// See [`source::sha256`].
    pub source_sha256: String,
    /// The compiler's version and that of the LLVM inside it.
    pub rustc: String,
    /// The linker's version.
    pub bpf_linker: String,
    /// The SHA-256 of each object by its name without `.bpf.o`, in lower-case hexadecimal.
    pub objects: BTreeMap<String, String>,
}

impl Record {
    /// Reads the record of `folder`.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or one of another form.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot understand {}", path.display()))
    }

    /// Writes the record of `folder`.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string_pretty(self)?;
        replace(&path, (text + "\n").as_bytes())
    }

    /// Reports whether `toolchain` is the one that this record's objects were compiled by.
    pub fn is_by(&self, toolchain: &Toolchain) -> bool {
        self.rustc == toolchain.rustc_version && self.bpf_linker == toolchain.linker_version
    }

    /// Lists the objects of `folder` that are not the recorded ones, each with the reason.
    pub fn damage(&self, folder: &Path) -> Vec<String> {
        let check = |(name, expected): (&String, &String)| {
            let file = object_file(name);
            match fs::read(folder.join(&file)) {
                Err(error) => Some(format!("{file} cannot be read: {error}")),
                Ok(bytes) if source::hex_sha256(&bytes) != *expected => {
                    Some(format!("{file} is not the object that {FILE} describes"))
                }
                Ok(_) => None,
            }
        };
        self.objects.iter().filter_map(check).collect()
    }
}

/// The file name of the object `name`.
pub fn object_file(name: &str) -> String {
    format!("{name}.bpf.o")
}
