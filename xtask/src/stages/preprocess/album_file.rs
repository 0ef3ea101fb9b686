//! What the file of an album is called.

/// The Parquet file of an album, relative to the folder of spectrograms: readable for people,
/// unique by a hash of artist and album, whatever letters their names hold.
pub(crate) fn album_path(artist: &str, album: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in [artist, album] {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    let digest = hasher.finalize().to_hex();
    format!("{}/{}-{}.parquet", readable(artist), readable(album), &digest[..8])
}

/// Letters, digits and few signs of a name, short enough for any file system.
pub(crate) fn readable(name: &str) -> String {
    let mut safe = String::new();
    for letter in name.chars() {
        let letter = if letter.is_alphanumeric() || "-_+".contains(letter) { letter } else { '-' };
        if safe.len() + letter.len_utf8() > 80 {
            break;
        }
        if !(letter == '-' && safe.ends_with('-')) {
            safe.push(letter);
        }
    }
    let safe = safe.trim_matches('-');
    if safe.is_empty() { "unnamed".to_owned() } else { safe.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::album_path;

    #[test]
    fn names_of_any_kind_give_a_plain_file_two_levels_deep() {
        for name in ["..", "/etc/passwd", "a/b", "\u{1f3b5}", "", "x\0y", &"long ".repeat(100)] {
            let path = album_path(name, name);
            let parts: Vec<&str> = path.split('/').collect();
            assert_eq!(parts.len(), 2, "{path:?}");
            for part in parts {
                assert!(!part.starts_with('.') && part.len() < 120, "{part}");
                assert!(!part.contains(['/', '\0']), "{part}");
            }
        }
    }

    #[test]
    fn albums_whose_readable_names_agree_have_files_of_their_own() {
        assert_ne!(album_path("AC/DC", "Live"), album_path("AC-DC", "Live"));
        assert_ne!(album_path("a", "bc"), album_path("ab", "c"));
    }
}
