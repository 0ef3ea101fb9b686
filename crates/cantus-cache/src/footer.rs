//! What this crate writes among the footer's key-values.
//!
//! | key | value |
//! |---|---|
//! | `cantus.format_version` | [`FORMAT_VERSION`](crate::FORMAT_VERSION) |
//! | `cantus.configuration.<key>` | the caller's settings |
//! | `cantus.digests` | a line a row group: BLAKE3 of its small columns, a space, of `mel` |
//! | `cantus.digest` | BLAKE3 of the whole footer, with zeros in place of this digest |
//!
//! Parquet's own page checksums are written by few libraries, and not by this one's; the digests
//! stand in for them. They also keep damaged headers away from the decoder, which allocates as
//! much as those ask for.

use std::collections::BTreeMap;
use std::ops::Range;

const VERSION_KEY: &str = "cantus.format_version";
const CONFIGURATION_PREFIX: &str = "cantus.configuration.";
const DIGESTS_KEY: &str = "cantus.digests";
const DIGEST_KEY: &str = "cantus.digest";
const PREFIX: &str = "cantus.";
const CONTEXT: &str = "cantus-cache 2026 footer of an album, form 1";
/// What stands in place of the digest while it is computed.
const NO_DIGEST: [u8; 64] = [b'0'; 64];
/// Thrift's header of a value that is a text of 64 bytes, after the key.
const VALUE_HEADER: [u8; 2] = [0x18, 64];

/// Digests of one row group's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digests {
    /// Of the columns before `mel`.
    pub(crate) info: blake3::Hash,
    /// Of the column `mel`.
    pub(crate) mel: blake3::Hash,
}

/// Everything that the footer's key-values say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) configuration: BTreeMap<String, String>,
    pub(crate) digests: Vec<Digests>,
}

/// Why key-values are no footer of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FooterError {
    Version(Option<String>),
    Damaged(&'static str),
}

impl Footer {
    pub(crate) fn to_key_values(&self) -> BTreeMap<String, String> {
        let mut pairs: BTreeMap<String, String> = self
            .configuration
            .iter()
            .map(|(key, value)| (format!("{CONFIGURATION_PREFIX}{key}"), value.clone()))
            .collect();
        pairs.insert(VERSION_KEY.to_owned(), crate::FORMAT_VERSION.to_string());
        let lines: Vec<String> = self
            .digests
            .iter()
            .map(|digests| format!("{} {}", digests.info.to_hex(), digests.mel.to_hex()))
            .collect();
        pairs.insert(DIGESTS_KEY.to_owned(), lines.join("\n"));
        pairs.insert(DIGEST_KEY.to_owned(), String::from_utf8_lossy(&NO_DIGEST).into_owned());
        pairs
    }

    /// Takes the key-values of this crate out of all those of a file whose [`seal`] is whole.
    pub(crate) fn from_key_values(
        pairs: impl IntoIterator<Item = (String, Option<String>)>,
    ) -> Result<Self, FooterError> {
        let pairs: BTreeMap<String, String> = pairs
            .into_iter()
            .filter(|(key, _)| key.starts_with(PREFIX))
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        let version = pairs.get(VERSION_KEY);
        if version != Some(&crate::FORMAT_VERSION.to_string()) {
            return Err(FooterError::Version(version.cloned()));
        }
        let digests = pairs
            .get(DIGESTS_KEY)
            .and_then(|lines| lines.lines().map(digests_of).collect())
            .ok_or(FooterError::Damaged("the footer has no list of digests"))?;
        let configuration = pairs
            .into_iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix(CONFIGURATION_PREFIX)?.to_owned(), value))
            })
            .collect();
        Ok(Self { configuration, digests })
    }
}

fn digests_of(line: &str) -> Option<Digests> {
    let (info, mel) = line.split_once(' ')?;
    Some(Digests {
        info: blake3::Hash::from_hex(info).ok()?,
        mel: blake3::Hash::from_hex(mel).ok()?,
    })
}

/// Whether a footer agrees with the digest in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    Whole,
    Broken,
    Absent,
}

/// Puts the digest into a footer that was encoded with [`Footer::to_key_values`]; false if its
/// place is not found, or found twice.
#[must_use]
pub(crate) fn seal(footer: &mut [u8]) -> bool {
    let Some(place) = digest_place(footer) else { return false };
    if footer[place.clone()] != NO_DIGEST {
        return false;
    }
    let digest = blake3::Hasher::new_derive_key(CONTEXT).update(footer).finalize();
    footer[place].copy_from_slice(digest.to_hex().as_bytes());
    true
}

/// Compares an encoded footer with the digest in it, without decoding it.
pub(crate) fn check_seal(footer: &[u8]) -> Seal {
    let Some(place) = digest_place(footer) else { return Seal::Absent };
    let digest = blake3::Hasher::new_derive_key(CONTEXT)
        .update(&footer[..place.start])
        .update(&NO_DIGEST)
        .update(&footer[place.end..])
        .finalize();
    if digest.to_hex().as_bytes() == &footer[place] { Seal::Whole } else { Seal::Broken }
}

/// Where in an encoded footer the digest is, if it is in one place.
fn digest_place(footer: &[u8]) -> Option<Range<usize>> {
    let before = [DIGEST_KEY.as_bytes(), &VALUE_HEADER].concat();
    let mut places = footer.windows(before.len()).enumerate().filter(|(_, here)| *here == before);
    let start = places.next()?.0 + before.len();
    let end = start + NO_DIGEST.len();
    (places.next().is_none() && end <= footer.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        let digests = |text: &[u8]| Digests { info: blake3::hash(text), mel: blake3::hash(b"m") };
        Footer {
            configuration: [("n_fft", "2048"), ("odd =\n\u{1f3b5}", "")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            digests: vec![digests(b"a"), digests(b"b")],
        }
    }

    fn pairs() -> BTreeMap<String, Option<String>> {
        footer().to_key_values().into_iter().map(|(key, value)| (key, Some(value))).collect()
    }

    /// As much of a footer as the seal looks at.
    fn encoded(key_values: &BTreeMap<String, String>) -> Vec<u8> {
        let pairs = key_values.iter().flat_map(|(key, value)| [key, value]);
        pairs.flat_map(|text| [&[0x18, text.len() as u8], text.as_bytes()].concat()).collect()
    }

    #[test]
    fn a_footer_reads_back_and_foreign_keys_do_not_matter() {
        let mut pairs = pairs();
        pairs.insert("pandas".to_owned(), Some("{}".to_owned()));
        assert_eq!(Footer::from_key_values(pairs), Ok(footer()));
        let empty = Footer { configuration: BTreeMap::new(), digests: Vec::new() };
        let pairs = empty.to_key_values().into_iter().map(|(key, value)| (key, Some(value)));
        assert_eq!(Footer::from_key_values(pairs), Ok(empty));
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        let mut other = pairs();
        other.insert(VERSION_KEY.to_owned(), Some("7".to_owned()));
        assert_eq!(Footer::from_key_values(other), Err(FooterError::Version(Some("7".to_owned()))));
        assert_eq!(Footer::from_key_values([]), Err(FooterError::Version(None)));
        let mut without = pairs();
        without.remove(DIGESTS_KEY);
        assert!(matches!(Footer::from_key_values(without), Err(FooterError::Damaged(_))));
    }

    #[test]
    fn no_change_of_a_sealed_footer_goes_unnoticed() {
        let mut sealed = encoded(&footer().to_key_values());
        assert_eq!(check_seal(&sealed), Seal::Broken);
        assert!(seal(&mut sealed));
        assert_eq!(check_seal(&sealed), Seal::Whole);
        assert!(!seal(&mut sealed), "a footer is sealed once");
        for at in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_ne!(check_seal(&flipped), Seal::Whole, "bit {at}");
        }
        for length in 0..sealed.len() {
            assert_ne!(check_seal(&sealed[..length]), Seal::Whole, "cut at {length}");
        }
    }

    #[test]
    fn a_setting_that_looks_like_the_digest_is_refused_not_mistaken_for_it() {
        let mut footer = footer();
        let trap = String::from_utf8([DIGEST_KEY.as_bytes(), &VALUE_HEADER, &NO_DIGEST].concat());
        footer.configuration.insert("trap".to_owned(), trap.unwrap());
        assert!(!seal(&mut encoded(&footer.to_key_values())));
    }
}
