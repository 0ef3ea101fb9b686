//! The items of a large input one by one, for stages that work item by item.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic_file::write_atomic_bytes;
use crate::error::PipelineError;

/// Ids with the digests of their contents, for example all songs of a corpus: what a
/// [`Fingerprint`](crate::Fingerprint) sums up in one digest. A stage that keeps the table beside
/// its output can name the items that changed and redo only those.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemTable {
    items: BTreeMap<String, String>,
}

/// How two [`ItemTable`]s differ; each list is sorted by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ItemChanges {
    /// Ids that only the new table has.
    pub added: Vec<String>,
    /// Ids that only the old table has.
    pub removed: Vec<String>,
    /// Ids with another digest.
    pub changed: Vec<String>,
}

impl ItemTable {
    /// The digest of an item.
    pub fn get(&self, id: &str) -> Option<&str> {
        self.items.get(id).map(String::as_str)
    }

    /// Adds or replaces an item and returns the digest it had.
    pub fn insert(&mut self, id: impl Into<String>, digest: impl Into<String>) -> Option<String> {
        self.items.insert(id.into(), digest.into())
    }

    /// All items, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.items.iter().map(|(id, digest)| (id.as_str(), digest.as_str()))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What changed from `old` to this table.
    pub fn changes_since(&self, old: &Self) -> ItemChanges {
        let mut changes = ItemChanges::default();
        for (id, digest) in &self.items {
            match old.get(id) {
                None => changes.added.push(id.clone()),
                Some(before) if before != digest => changes.changed.push(id.clone()),
                Some(_) => {}
            }
        }
        changes.removed =
            old.items.keys().filter(|id| !self.items.contains_key(*id)).cloned().collect();
        changes
    }

    /// Writes the table as JSON, atomically.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PipelineError> {
        let path = path.as_ref();
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|source| PipelineError::io("write", path, source.into()))?;
        text.push(b'\n');
        write_atomic_bytes(path, &text)
    }

    /// Reads a table. It only helps to say what changed, so one that is missing or damaged (with a
    /// warning) is empty: then every item counts as new.
    ///
    /// # Errors
    ///
    /// If there is a file but it cannot be read at all.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        let path = path.as_ref();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(PipelineError::io("read", path, error)),
        };
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "table of items damaged, starting anew");
            Self::default()
        }))
    }
}

impl<I: Into<String>, D: Into<String>> FromIterator<(I, D)> for ItemTable {
    fn from_iter<T: IntoIterator<Item = (I, D)>>(items: T) -> Self {
        Self { items: items.into_iter().map(|(id, digest)| (id.into(), digest.into())).collect() }
    }
}

impl ItemChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for ItemChanges {
    /// The counts, and the first three ids of each kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds =
            [("changed", &self.changed), ("added", &self.added), ("removed", &self.removed)];
        let mut separator = "";
        for (kind, ids) in kinds.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let shown = ids.len().min(3);
            let more = if ids.len() > shown { ", ..." } else { "" };
            write!(f, "{separator}{} {kind} ({}{more})", ids.len(), ids[..shown].join(", "))?;
            separator = ", ";
        }
        if separator.is_empty() { write!(f, "no change") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_name_the_items() {
        let old: ItemTable = [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect();
        let new: ItemTable =
            [("b", "2"), ("c", "4"), ("d", "5"), ("e", "5"), ("f", "5"), ("g", "5")]
                .into_iter()
                .collect();
        let changes = new.changes_since(&old);
        assert_eq!(changes.changed, ["c"]);
        assert_eq!(changes.removed, ["a"]);
        assert_eq!(changes.added, ["d", "e", "f", "g"]);
        assert_eq!(changes.to_string(), "1 changed (c), 4 added (d, e, f, ...), 1 removed (a)");
        assert!(new.changes_since(&new).is_empty());
        assert_eq!(new.changes_since(&new).to_string(), "no change");
    }

    #[test]
    fn a_saved_table_reads_back_and_a_damaged_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("songs.json");
        assert!(ItemTable::load(&path).unwrap().is_empty());
        let table: ItemTable = [("a\"/\u{1f3b5}", "1"), ("b", "2")].into_iter().collect();
        table.save(&path).unwrap();
        assert_eq!(ItemTable::load(&path).unwrap(), table);
        std::fs::write(&path, "{\"a\": ").unwrap();
        assert!(ItemTable::load(&path).unwrap().is_empty());
    }
}
