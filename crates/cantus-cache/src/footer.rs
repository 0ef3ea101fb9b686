//! What this crate writes among the footer's key-values.
//!
//! | key | value |
//! |---|---|
//! | `cantus.format_version` | [`FORMAT_VERSION`](crate::FORMAT_VERSION) |
//! | `cantus.configuration.<key>` | the caller's settings |
//! | `cantus.digests` | a line a row group: BLAKE3 of the bytes of its columns before `mel`, a space, BLAKE3 of the bytes of `mel` |
//! | `cantus.digest` | BLAKE3 of all of the above |
//!
//! Parquet's own page checksums are written by few libraries, and not by this one's; the digests
//! stand in for them. They also keep damaged page headers away from the decoder, which allocates
//! as much as those ask for.

use std::collections::BTreeMap;

const VERSION_KEY: &str = "cantus.format_version";
const CONFIGURATION_PREFIX: &str = "cantus.configuration.";
const DIGESTS_KEY: &str = "cantus.digests";
const DIGEST_KEY: &str = "cantus.digest";
const PREFIX: &str = "cantus.";
const CONTEXT: &str = "cantus-cache 2026 footer of an album, form 1";

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
        let digest = digest_of(&pairs);
        pairs.insert(DIGEST_KEY.to_owned(), digest);
        pairs
    }

    /// Takes the key-values of this crate out of all those of a file.
    pub(crate) fn from_key_values(
        pairs: impl IntoIterator<Item = (String, Option<String>)>,
    ) -> Result<Self, FooterError> {
        let mut pairs: BTreeMap<String, String> = pairs
            .into_iter()
            .filter(|(key, _)| key.starts_with(PREFIX))
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        let version = pairs.get(VERSION_KEY);
        if version != Some(&crate::FORMAT_VERSION.to_string()) {
            return Err(FooterError::Version(version.cloned()));
        }
        let digest = pairs.remove(DIGEST_KEY);
        if digest != Some(digest_of(&pairs)) {
            return Err(FooterError::Damaged("the footer does not agree with its digest"));
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

fn digest_of(pairs: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
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
    fn any_change_of_any_value_is_noticed() {
        for key in pairs().into_keys() {
            let mut changed = pairs();
            if let Some(Some(value)) = changed.get_mut(&key) {
                value.push('0');
            }
            assert!(Footer::from_key_values(changed).is_err(), "{key} changed");
            let mut without = pairs();
            without.remove(&key);
            assert!(Footer::from_key_values(without).is_err(), "{key} removed");
        }
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        let mut other = pairs();
        other.insert(VERSION_KEY.to_owned(), Some("7".to_owned()));
        assert_eq!(
            Footer::from_key_values(other),
            Err(FooterError::Version(Some("7".to_owned())))
        );
        let none = BTreeMap::new();
        assert_eq!(Footer::from_key_values(none), Err(FooterError::Version(None)));
    }
}
