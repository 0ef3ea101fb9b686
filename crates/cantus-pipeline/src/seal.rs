//! Sums of what a stage made, by which bit rot is found.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

const CONTEXT: &str = "cantus-pipeline 2026 sums of a stage's outputs, form 1";

/// Length and BLAKE3 of each file that a stage made, with a digest over all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    /// By path under the folder that the stage works in, with `/` between its parts.
    files: BTreeMap<String, Sum>,
    digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    bytes: u64,
    blake3: String,
}

/// A file that is not what its stage made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: DamageKind,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageKind {
    /// It is gone.
    #[error("it is missing")]
    Missing,
    /// It has another length.
    #[error("it has {found} bytes and not {expected}")]
    Length {
        /// Bytes that were written.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// It has other bytes of the same number.
    #[error("its bytes do not agree with their sum")]
    Content,
}

impl Seal {
    pub(crate) fn of<P: AsRef<Path>>(
        folder: &Path,
        outputs: impl IntoIterator<Item = P>,
    ) -> Result<Self, PipelineError> {
        let mut files = BTreeMap::new();
        for path in outputs {
            let path = path.as_ref();
            let name = path.strip_prefix(folder).unwrap_or(path);
            let parts: Vec<_> =
                name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            files.insert(parts.join("/"), Sum::of(path)?);
        }
        let digest = digest(&files);
        Ok(Self { files, digest })
    }

    pub(crate) fn paths(&self, folder: &Path) -> Vec<PathBuf> {
        self.files.keys().map(|name| folder.join(name)).collect()
    }

    /// True where the sums themselves are as they were written.
    pub(crate) fn is_sound(&self) -> bool {
        digest(&self.files) == self.digest
    }

    pub(crate) fn damage(&self, folder: &Path) -> Result<Vec<Damage>, PipelineError> {
        let mut damage = Vec::new();
        for (name, written) in &self.files {
            let path = folder.join(name);
            let kind = match fs::metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Some(DamageKind::Missing),
                Err(error) => return Err(PipelineError::io("look at", &path, error)),
                Ok(found) if found.len() != written.bytes => {
                    Some(DamageKind::Length { expected: written.bytes, found: found.len() })
                }
                Ok(_) => (Sum::of(&path)? != *written).then_some(DamageKind::Content),
            };
            damage.extend(kind.map(|kind| Damage { path, kind }));
        }
        Ok(damage)
    }
}

impl Sum {
    fn of(path: &Path) -> Result<Self, PipelineError> {
        let fail = |source| PipelineError::io("read", path, source);
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path).map_err(fail)?).map_err(fail)?;
        Ok(Self { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
    }
}

fn digest(files: &BTreeMap<String, Sum>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for (name, Sum { bytes, blake3 }) in files {
        for text in [name, blake3] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&bytes.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use crate::{DamageKind, Fingerprint, SavedFingerprint};

    use super::*;

    fn sealed(folder: &Path) -> Fingerprint {
        let outputs = [folder.join("split.tsv"), folder.join("pictures").join("map.svg")];
        fs::create_dir(folder.join("pictures")).unwrap();
        for (output, text) in outputs.iter().zip(["songs", "marks and marks"]) {
            fs::write(output, text).unwrap();
        }
        Fingerprint::builder("report", 1).build().sealing(folder, &outputs).unwrap()
    }

    #[test]
    fn outputs_that_are_as_they_were_made_have_no_damage_wherever_the_folder_went() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let fingerprint = sealed(first.path());
        assert_eq!(fingerprint.damaged_outputs(first.path()).unwrap(), Some(vec![]));
        sealed(second.path());
        assert_eq!(fingerprint.damaged_outputs(second.path()).unwrap(), Some(vec![]));
        let unsealed = Fingerprint::builder("report", 1).build();
        assert_eq!(unsealed.damaged_outputs(first.path()).unwrap(), None);
    }

    #[test]
    fn damage_is_named_by_file_and_kind() {
        let folder = tempfile::tempdir().unwrap();
        let fingerprint = sealed(folder.path());
        let (split, map) =
            (folder.path().join("split.tsv"), folder.path().join("pictures/map.svg"));
        for (text, kind) in [
            ("Songs", DamageKind::Content),
            ("songs\n", DamageKind::Length { expected: 5, found: 6 }),
        ] {
            fs::write(&split, text).unwrap();
            let damage = vec![Damage { path: split.clone(), kind }];
            assert_eq!(fingerprint.damaged_outputs(folder.path()).unwrap(), Some(damage));
        }
        fs::write(&split, "songs").unwrap();
        fs::remove_file(&map).unwrap();
        let damage = vec![Damage { path: map, kind: DamageKind::Missing }];
        assert_eq!(fingerprint.damaged_outputs(folder.path()).unwrap(), Some(damage));
    }

    #[test]
    fn a_flipped_bit_in_the_sums_is_found_and_they_do_not_count_as_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let fingerprint = sealed(folder.path());
        let bare = Fingerprint::builder("report", 1).build();
        assert_eq!(fingerprint.digest(), bare.digest());
        assert!(Fingerprint::compare(Some(&fingerprint), &bare).is_fresh());
        let path = folder.path().join("report.json");
        fingerprint.save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bytes).unwrap();
            let found = Fingerprint::load(&path).unwrap();
            assert!(matches!(found, SavedFingerprint::Damaged { .. }), "bit {bit}: {found:?}");
        }
    }
}
