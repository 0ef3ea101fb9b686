//! One recording under two names.

use std::collections::BTreeMap;

/// Groups of songs with the same contents.
///
/// `hashes` are hashes by song id, of the decoded sound or of the files. Groups of two and more only, each sorted
/// by id, the groups by their first id.
pub fn duplicates(hashes: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let mut by_hash: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (id, hash) in hashes {
        by_hash.entry(hash).or_default().push(id.clone());
    }
    let mut groups: Vec<Vec<String>> =
        by_hash.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_unstable();
    groups
}
