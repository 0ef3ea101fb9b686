//! Paths as text: any path has exactly one text, and no two paths share one.

use std::path::{Component, Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The id of a song: its path relative to the corpus root as UTF-8, folders joined by `/`.
///
/// Names that are UTF-8 already stand as they are. Bytes that are not UTF-8 are written `%XX`
/// (upper-case hexadecimal), and a `%` that two hexadecimal digits happen to follow is written
/// `%25`, so that a file named `%FF` and one whose name is the byte 0xFF get different ids. Two
/// different relative paths therefore never have the same id, and [`path_of_song_id`] leads back.
///
/// `.` is dropped; the path is expected to hold neither `..` nor a root.
pub fn song_id(relative: &Path) -> String {
    let mut id = String::with_capacity(relative.as_os_str().len());
    for component in relative.components() {
        if component == Component::CurDir {
            continue;
        }
        if !id.is_empty() {
            id.push('/');
        }
        escape_into(component.as_os_str().as_encoded_bytes(), &mut id);
    }
    id
}

/// The path that [`song_id`] was given, byte for byte.
///
/// `None` where this platform has no such path: outside Unix a name must be Unicode.
pub fn path_of_song_id(id: &str) -> Option<PathBuf> {
    let bytes = id.as_bytes();
    let mut path = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if let Some(byte) = escape_at(bytes, at) {
            path.push(byte);
            at += 3;
        } else {
            path.push(bytes[at]);
            at += 1;
        }
    }
    path_from_bytes(path)
}

/// One name of a path as text, by the rule of [`song_id`].
pub(crate) fn escape_name(name: &std::ffi::OsStr) -> String {
    let mut text = String::new();
    escape_into(name.as_encoded_bytes(), &mut text);
    text
}

fn escape_into(bytes: &[u8], text: &mut String) {
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '%' && escape_at(bytes, at).is_some() {
                text.push_str("%25");
            } else {
                text.push(character);
            }
            at += character.len_utf8();
        }
        for &byte in chunk.invalid() {
            text.push('%');
            text.push(hexadecimal_digit(byte >> 4));
            text.push(hexadecimal_digit(byte & 15));
        }
        at += chunk.invalid().len();
    }
}

/// The byte that `%XX` at this place stands for, if it stands there.
fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *bytes.get(at..at + 3)? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

fn hexadecimal_digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'A' + value - 10 })
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other platforms refuse some bytes")]
fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// The id of a song in a saved corpus, whose path must be one that this platform has.
pub(crate) fn id_of_this_platform<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let id = String::deserialize(from)?;
    match path_of_song_id(&id) {
        Some(_) => Ok(id),
        None => Err(D::Error::custom(format!("no path of this platform: `{id}`"))),
    }
}

/// Paths in saved corpora: serde's own form of a path fails where a name is not UTF-8.
pub(crate) mod as_text {
    use std::path::{Path, PathBuf};

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::escape_name(path.as_os_str()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(from)?;
        super::path_of_song_id(&text)
            .ok_or_else(|| D::Error::custom(format!("no path of this platform: `{text}`")))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    fn path(bytes: &[u8]) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(bytes))
    }

    #[test]
    fn utf8_names_stand_as_they_are() {
        let name = "Björk/100% \"Live\"/01 – Ünï 🎵\t#1.mp3";
        assert_eq!(song_id(Path::new(name)), name);
    }

    #[test]
    fn other_bytes_are_escaped_and_never_meet_a_name_that_looks_escaped() {
        assert_eq!(song_id(&path(b"a/\xFF.mp3")), "a/%FF.mp3");
        assert_eq!(song_id(&path(b"a/%FF.mp3")), "a/%25FF.mp3");
        assert_eq!(song_id(&path(b"a/%2\xFF")), "a/%2%FF");
    }

    #[test]
    fn a_leading_dot_and_doubled_slashes_do_not_change_an_id() {
        assert_eq!(song_id(Path::new("./a//b/./c.mp3")), "a/b/c.mp3");
    }

    /// Names in which the escape's own characters are as common as the others.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(b'%'),
            Just(b'F'),
            Just(b'2'),
            Just(b'5'),
            Just(0xFF),
            Just(0xC3),
            Just(0xA4),
            1_u8..=255,
        ];
        prop::collection::vec(byte, 1..8).prop_map(|mut bytes| {
            bytes.retain(|&byte| byte != b'/');
            bytes.push(b'x');
            bytes
        })
    }

    fn names() -> impl Strategy<Value = PathBuf> {
        prop::collection::vec(name(), 1..4).prop_map(|names| path(&names.join(&b'/')))
    }

    proptest! {
        #[test]
        fn an_id_leads_back_to_its_path(path in names()) {
            prop_assert_eq!(path_of_song_id(&song_id(&path)), Some(path));
        }

        #[test]
        fn two_paths_never_share_an_id(first in names(), second in names()) {
            prop_assert_eq!(song_id(&first) == song_id(&second), first == second);
        }
    }
}
