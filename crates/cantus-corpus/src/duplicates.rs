//! One recording under two names.

/// Groups of songs with the same contents.
///
/// `contents` are songs' ids, each once, and what tells their contents apart: hashes of the decoded sound
/// or of the files. Groups of two and more only, each sorted by id, the groups by their first id.
pub fn duplicates<'a, H: Ord>(
    contents: impl IntoIterator<Item = (&'a str, H)>,
) -> Vec<Vec<&'a str>> {
    let mut by_content: Vec<(H, &str)> =
        contents.into_iter().map(|(id, content)| (content, id)).collect();
    by_content.sort_unstable();
    let same = by_content.chunk_by(|(a, _), (b, _)| a == b).filter(|group| group.len() > 1);
    let mut groups: Vec<Vec<&str>> =
        same.map(|group| group.iter().map(|(_, id)| *id).collect()).collect();
    groups.sort_unstable();
    groups
}
