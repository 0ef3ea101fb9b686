//! What a stage's output was made of.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::atomic_file::{sync_folder, write_atomic_bytes};
use crate::error::PipelineError;
use crate::fault;
use crate::freshness::Freshness;
use crate::seal::{Damage, Seal};

/// Separates these hashes from any other use of BLAKE3; a change of the hashed form changes it.
const HASH_CONTEXT: &str = "cantus-pipeline 2026 fingerprint of a stage, form 1";
const SET_CONTEXT: &str = "cantus-pipeline 2026 set of inputs, form 1";
/// What is hashed at once of a sum over many items.
const SUM_BYTES: usize = 64 * 1024;
/// A fingerprint holds settings and a few digests; anything larger is not one.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// The stage's name and format version, its own settings and its inputs' contents, and one BLAKE3
/// digest over all of it. The fields stay readable so that a difference can be named.
///
/// Every hashed field is preceded by its length, so no two different fingerprints are hashed as
/// the same bytes. Settings and inputs are kept sorted by name: the order of insertion does not
/// count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    stage: String,
    format_version: u32,
    settings: BTreeMap<String, String>,
    inputs: BTreeMap<String, Input>,
    digest: String,
    /// Sums of the outputs: what was made, not what it was made of, and so no part of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outputs: Option<Seal>,
}

/// One input of a stage: a file's content, or a whole set of them summed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Digest of the content, as hexadecimal text.
    pub digest: String,
    /// How many items the digest sums up; absent for a single input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl Input {
    /// Sums up items that come in order of their ids, none twice: see
    /// [`FingerprintBuilder::input_in_order`].
    pub fn of_items_in_order<I, D>(items: impl ExactSizeIterator<Item = (I, D)>) -> Self
    where
        I: AsRef<str>,
        D: Display,
    {
        let mut sum = Sum::new(items.len());
        let mut digest = String::new();
        for (id, content) in items {
            digest.clear();
            // Writing into a text does not fail.
            let _ = write!(digest, "{content}");
            sum.add(id.as_ref(), &digest);
        }
        sum.finish()
    }
}

/// Collects the fields of a [`Fingerprint`].
#[derive(Debug, Clone)]
pub struct FingerprintBuilder {
    stage: String,
    format_version: u32,
    settings: BTreeMap<String, String>,
    inputs: BTreeMap<String, Input>,
}

/// What stands where a fingerprint is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SavedFingerprint {
    /// Nothing: the stage was never finished.
    Missing,
    /// A file that is no fingerprint, and why. The stage counts as stale.
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// A fingerprint whose digest agrees with its fields.
    Whole(Fingerprint),
}

impl SavedFingerprint {
    /// The fingerprint, if there is a whole one.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Self::Whole(fingerprint) => Some(fingerprint),
            Self::Missing | Self::Damaged { .. } => None,
        }
    }
}

impl Fingerprint {
    /// Starts a fingerprint. `format_version` is raised by hand whenever the stage's code begins
    /// to write other bytes for the same settings and inputs.
    pub fn builder(stage: impl Into<String>, format_version: u32) -> FingerprintBuilder {
        FingerprintBuilder {
            stage: stage.into(),
            format_version,
            settings: BTreeMap::new(),
            inputs: BTreeMap::new(),
        }
    }

    /// The stage's name.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The stage's format version.
    pub fn format_version(&self) -> u32 {
        self.format_version
    }

    /// The stage's own settings.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// The stage's inputs.
    pub fn inputs(&self) -> &BTreeMap<String, Input> {
        &self.inputs
    }

    /// BLAKE3 over all fields, 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Says what differs between the saved fingerprint and the one that is wanted; `None` means
    /// that the stage was never built.
    pub fn compare(saved: Option<&Self>, wanted: &Self) -> Freshness {
        crate::freshness::compare(saved, wanted)
    }

    /// The same with length and BLAKE3 of each output, which lie under `folder`. Do it when they
    /// stand, and [`save`](Self::save) the result.
    ///
    /// # Errors
    ///
    /// If an output cannot be read.
    pub fn sealing<P: AsRef<Path>>(
        &self,
        folder: impl AsRef<Path>,
        outputs: impl IntoIterator<Item = P>,
    ) -> Result<Self, PipelineError> {
        let outputs = Some(Seal::of(folder.as_ref(), outputs)?);
        Ok(Self { outputs, ..self.clone() })
    }

    /// The outputs that are not as they were made; `None` if no sums were saved with the fingerprint.
    ///
    /// # Errors
    ///
    /// If an output is there but cannot be read.
    pub fn damaged_outputs(
        &self,
        folder: impl AsRef<Path>,
    ) -> Result<Option<Vec<Damage>>, PipelineError> {
        self.outputs.as_ref().map(|seal| seal.damage(folder.as_ref())).transpose()
    }

    /// The outputs whose sums were saved with the fingerprint; none if there are no sums.
    pub fn outputs(&self, folder: impl AsRef<Path>) -> Vec<PathBuf> {
        self.outputs.as_ref().map_or_else(Vec::new, |seal| seal.paths(folder.as_ref()))
    }

    /// Writes the fingerprint as JSON, atomically. Do it last, when the stage's outputs stand.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PipelineError> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|source| PipelineError::Settings { stage: self.stage.clone(), source })?;
        text.push(b'\n');
        write_atomic_bytes(path, &text)
    }

    /// Reads a saved fingerprint. A file that is torn, foreign or edited is
    /// [`SavedFingerprint::Damaged`], which is a reason to build again, not a failure.
    ///
    /// # Errors
    ///
    /// If there is a file but it cannot be read at all.
    pub fn load(path: impl AsRef<Path>) -> Result<SavedFingerprint, PipelineError> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(SavedFingerprint::Missing);
            }
            Err(error) => return Err(PipelineError::io("read", path, error)),
        }
        Ok(Self::parse(&bytes)
            .map_or_else(|reason| SavedFingerprint::Damaged { reason }, SavedFingerprint::Whole))
    }

    /// Removes a saved fingerprint, so that the stage counts as never built. Do it before the
    /// stage's outputs are touched: a crash halfway must not leave a fingerprint that a later
    /// return to the old settings would match.
    ///
    /// # Errors
    ///
    /// If there is one and it cannot be removed.
    pub fn invalidate(path: impl AsRef<Path>) -> Result<(), PipelineError> {
        let path = path.as_ref();
        match fault::around("remove", path, || fs::remove_file(path)) {
            Ok(()) => match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
                _ => sync_folder(Path::new(".")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(PipelineError::io("remove", path, error)),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(format!("larger than {MAX_FILE_BYTES} bytes"));
        }
        let read: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.digest != read.computed_digest() {
            return Err("its digest does not agree with its fields".to_owned());
        }
        if !read.outputs.as_ref().is_none_or(Seal::is_sound) {
            return Err("the sums of its outputs do not agree with their digest".to_owned());
        }
        Ok(read)
    }

    fn computed_digest(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key(HASH_CONTEXT);
        hash_text(&mut hasher, &self.stage);
        hasher.update(&self.format_version.to_le_bytes());
        hash_length(&mut hasher, self.settings.len());
        for (key, value) in &self.settings {
            hash_text(&mut hasher, key);
            hash_text(&mut hasher, value);
        }
        hash_length(&mut hasher, self.inputs.len());
        for (name, input) in &self.inputs {
            hash_text(&mut hasher, name);
            hash_text(&mut hasher, &input.digest);
            // One more than the count, so that "no count" and "a count of 0" differ.
            let count = input.count.map_or(0, |count| u128::from(count) + 1);
            hasher.update(&count.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl FingerprintBuilder {
    /// Adds one setting by its printed form. Rust prints floats so that they read back exactly,
    /// so equal text means an equal value. A key given twice keeps the last value.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl Display) -> Self {
        self.settings.insert(key.into(), value.to_string());
        self
    }

    /// Adds all fields of a configuration struct; those of nested structs get dotted keys
    /// (`mel.n_fft`), lists stay one value.
    ///
    /// # Errors
    ///
    /// If the value has no JSON form.
    pub fn settings(mut self, settings: &impl Serialize) -> Result<Self, PipelineError> {
        let value = serde_json::to_value(settings)
            .map_err(|source| PipelineError::Settings { stage: self.stage.clone(), source })?;
        flatten("", &value, &mut self.settings);
        Ok(self)
    }

    /// Adds one input by the digest of its content.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, digest: impl Into<String>) -> Self {
        self.inputs.insert(name.into(), Input { digest: digest.into(), count: None });
        self
    }

    /// Adds many inputs (songs, say) as one: their ids and digests are sorted and hashed together,
    /// and only the sum and the count are kept. To name the items that changed, keep an
    /// [`ItemTable`](crate::ItemTable) beside the fingerprint.
    #[must_use]
    pub fn input_set<I, D>(
        mut self,
        name: impl Into<String>,
        items: impl IntoIterator<Item = (I, D)>,
    ) -> Self
    where
        I: AsRef<str>,
        D: AsRef<str>,
    {
        let items: Vec<(I, D)> = items.into_iter().collect();
        let pairs = items.iter().map(|(id, digest)| (id.as_ref(), digest.as_ref())).collect();
        self.inputs.insert(name.into(), summed_up(pairs));
        self
    }

    /// Adds many inputs as one, as [`input_set`](Self::input_set) does, without keeping a million of them:
    /// so they must come in order of their ids, none twice. In another order they have another digest.
    #[must_use]
    pub fn input_in_order<I, D>(
        self,
        name: impl Into<String>,
        items: impl ExactSizeIterator<Item = (I, D)>,
    ) -> Self
    where
        I: AsRef<str>,
        D: Display,
    {
        self.input_summed(name, Input::of_items_in_order(items))
    }

    /// Adds an input that was [summed up](Input::of_items_in_order) elsewhere.
    #[must_use]
    pub fn input_summed(mut self, name: impl Into<String>, input: Input) -> Self {
        self.inputs.insert(name.into(), input);
        self
    }

    /// Hashes what was collected.
    pub fn build(self) -> Fingerprint {
        let mut fingerprint = Fingerprint {
            stage: self.stage,
            format_version: self.format_version,
            settings: self.settings,
            inputs: self.inputs,
            digest: String::new(),
            outputs: None,
        };
        fingerprint.digest = fingerprint.computed_digest();
        fingerprint
    }
}

/// BLAKE3 of some bytes as 64 hexadecimal digits: the same as
/// [`StatCache::hash_file`](crate::StatCache::hash_file) gives for a file of them.
pub fn content_digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn summed_up(mut pairs: Vec<(&str, &str)>) -> Input {
    pairs.sort_unstable();
    let mut sum = Sum::new(pairs.len());
    for (id, digest) in pairs {
        sum.add(id, digest);
    }
    sum.finish()
}

/// One digest over the ids and digests of many items.
struct Sum {
    hasher: blake3::Hasher,
    count: u64,
    /// Hashed together: BLAKE3 is slow on single numbers.
    pending: Vec<u8>,
}

impl Sum {
    fn new(count: usize) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(SET_CONTEXT);
        hash_length(&mut hasher, count);
        Self { hasher, count: count as u64, pending: Vec::with_capacity(2 * SUM_BYTES) }
    }

    fn add(&mut self, id: &str, digest: &str) {
        for text in [id, digest] {
            self.pending.extend((text.len() as u64).to_le_bytes());
            self.pending.extend(text.as_bytes());
        }
        if self.pending.len() >= SUM_BYTES {
            self.hasher.update(&self.pending);
            self.pending.clear();
        }
    }

    fn finish(mut self) -> Input {
        self.hasher.update(&self.pending);
        Input { digest: self.hasher.finalize().to_hex().to_string(), count: Some(self.count) }
    }
}

fn hash_length(hasher: &mut blake3::Hasher, length: usize) {
    hasher.update(&(length as u64).to_le_bytes());
}

fn hash_text(hasher: &mut blake3::Hasher, text: &str) {
    hash_length(hasher, text.len());
    hasher.update(text.as_bytes());
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, into);
            }
        }
        Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        other => {
            into.insert(prefix.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> Fingerprint {
        Fingerprint::builder("split", 3)
            .setting("kind", "song")
            .setting("seed", 21)
            .input("scan", content_digest(b"songs"))
            .build()
    }

    #[test]
    fn a_saved_fingerprint_reads_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.fingerprint.json");
        assert_eq!(Fingerprint::load(&path).unwrap(), SavedFingerprint::Missing);
        small().save(&path).unwrap();
        assert_eq!(Fingerprint::load(&path).unwrap(), SavedFingerprint::Whole(small()));
        Fingerprint::invalidate(&path).unwrap();
        Fingerprint::invalidate(&path).unwrap();
        assert_eq!(Fingerprint::load(&path).unwrap(), SavedFingerprint::Missing);
    }

    #[test]
    fn items_in_order_have_the_digest_of_their_set() {
        let items: Vec<(String, String)> =
            (0..9_000).map(|item| (format!("song {item:05}"), "a\tb".repeat(item % 7))).collect();
        let set = Fingerprint::builder("scan", 1).input_set("songs", items.iter().rev().cloned());
        let in_order = Fingerprint::builder("scan", 1)
            .input_in_order("songs", items.iter().map(|(id, digest)| (id, digest)));
        assert_eq!(set.build(), in_order.build());
        let none = std::iter::empty::<(&str, &str)>;
        assert_eq!(
            Fingerprint::builder("scan", 1).input_set("songs", none()).build(),
            Fingerprint::builder("scan", 1).input_in_order("songs", none()).build()
        );
    }

    #[test]
    fn a_torn_foreign_or_edited_fingerprint_is_damaged_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.fingerprint.json");
        small().save(&path).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        let edited = whole.replace("\"21\"", "\"42\"");
        assert_ne!(edited, whole);
        for text in ["", "{", &whole[..whole.len() / 2], "[1, 2]", &edited, "\u{0}"] {
            fs::write(&path, text).unwrap();
            let loaded = Fingerprint::load(&path).unwrap();
            assert!(matches!(loaded, SavedFingerprint::Damaged { .. }), "{text:?}: {loaded:?}");
        }
    }

    #[test]
    fn the_digest_of_a_fixed_fingerprint_is_fixed() {
        // Should this number ever change, everything that anybody built becomes stale.
        assert_eq!(
            small().digest(),
            "5497772cde40e89c9a8d58669299b4c7e1124b87086dd804f0e14b64aeb0d848"
        );
    }

    #[test]
    fn nested_settings_get_dotted_keys() {
        #[derive(Serialize)]
        struct Inner {
            n_fft: u32,
            f_max: Option<f64>,
        }
        #[derive(Serialize)]
        struct Outer {
            mel: Inner,
            clip: &'static str,
            pools: Vec<(u32, u32)>,
        }
        let outer = Outer {
            mel: Inner { n_fft: 2048, f_max: None },
            clip: "3s",
            pools: vec![(2, 2), (4, 2)],
        };
        let fingerprint = Fingerprint::builder("x", 1).settings(&outer).unwrap().build();
        let expected = [
            ("clip", "3s"),
            ("mel.f_max", "null"),
            ("mel.n_fft", "2048"),
            ("pools", "[[2,2],[4,2]]"),
        ];
        let got: Vec<(&str, &str)> =
            fingerprint.settings().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn moving_text_between_neighbouring_fields_changes_the_digest() {
        let one = Fingerprint::builder("x", 1).setting("ab", "c").build();
        let other = Fingerprint::builder("x", 1).setting("a", "bc").build();
        assert_ne!(one.digest(), other.digest());
        let as_setting = Fingerprint::builder("x", 1).setting("a", "b").build();
        let as_input = Fingerprint::builder("x", 1).input("a", "b").build();
        assert_ne!(as_setting.digest(), as_input.digest());
    }

    #[test]
    fn a_set_of_inputs_does_not_depend_on_its_order_but_on_each_item() {
        let sum = |items: &[(&str, &str)]| {
            Fingerprint::builder("x", 1).input_set("songs", items.iter().copied()).build()
        };
        let songs = sum(&[("a", "1"), ("b", "2")]);
        assert_eq!(songs.inputs()["songs"].count, Some(2));
        assert_eq!(songs, sum(&[("b", "2"), ("a", "1")]));
        for other in [
            sum(&[("a", "1")]),
            sum(&[("a", "1"), ("b", "3")]),
            sum(&[("a", "1"), ("c", "2")]),
            sum(&[("a", "1"), ("b", "2"), ("c", "3")]),
            sum(&[("a", "2"), ("b", "1")]),
            sum(&[("a1", ""), ("b", "2")]),
        ] {
            assert_ne!(songs.digest(), other.digest());
        }
    }

    /// All the fields that are hashed, as plain data to be changed one at a time.
    type Fields = (String, u32, BTreeMap<String, String>, BTreeMap<String, (String, bool)>);

    fn fields() -> impl Strategy<Value = Fields> {
        let name = "[a-c\u{e9}=:]{0,3}";
        (
            name,
            0..4_u32,
            proptest::collection::btree_map(name, name, 0..4),
            proptest::collection::btree_map(name, (name, any::<bool>()), 0..4),
        )
    }

    fn build(fields: &Fields, reversed: bool) -> Fingerprint {
        let (stage, version, settings, inputs) = fields;
        let mut builder = Fingerprint::builder(stage.as_str(), *version);
        let mut settings: Vec<_> = settings.iter().collect();
        let mut inputs: Vec<_> = inputs.iter().collect();
        if reversed {
            settings.reverse();
            inputs.reverse();
        }
        for (key, value) in settings {
            builder = builder.setting(key, value);
        }
        for (name, (digest, is_set)) in inputs {
            builder = if *is_set {
                builder.input_set(name, [("id", digest)])
            } else {
                builder.input(name, digest)
            };
        }
        builder.build()
    }

    proptest! {
        #[test]
        fn any_change_of_any_field_changes_the_digest(one in fields(), other in fields()) {
            let (a, b) = (build(&one, false), build(&other, false));
            prop_assert_eq!(one == other, a.digest() == b.digest());
        }

        #[test]
        fn a_change_of_one_field_changes_the_digest(
            original in fields(), which in any::<prop::sample::Index>(), add in "[a-z]{1,3}",
        ) {
            let (settings, inputs) = (original.2.len(), original.3.len());
            let mut changed = original.clone();
            match which.index(2 + settings + inputs) {
                0 => changed.0.push_str(&add),
                1 => changed.1 += 1,
                i if i - 2 < settings => {
                    changed.2.values_mut().nth(i - 2).unwrap().push_str(&add);
                }
                i => {
                    changed.3.values_mut().nth(i - 2 - settings).unwrap().0.push_str(&add);
                }
            }
            let (a, b) = (build(&original, false), build(&changed, false));
            prop_assert_ne!(a.digest(), b.digest());
            prop_assert!(!Fingerprint::compare(Some(&a), &b).is_fresh());
        }

        #[test]
        fn the_order_of_insertion_does_not_count(fields in fields()) {
            prop_assert_eq!(build(&fields, false), build(&fields, true));
        }

        #[test]
        fn json_keeps_every_field(fields in fields()) {
            let fingerprint = build(&fields, false);
            let text = serde_json::to_vec(&fingerprint).unwrap();
            prop_assert_eq!(Fingerprint::parse(&text), Ok(fingerprint));
        }
    }
}
