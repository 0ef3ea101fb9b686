//! Whether an output can stay, and if not, each reason why.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::fingerprint::{Fingerprint, Input, SavedFingerprint};

/// Whether a stage's output is what its settings and inputs ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reasons", rename_all = "snake_case")]
pub enum Freshness {
    /// Nothing to do.
    Fresh,
    /// It must be built again; there is at least one reason.
    Stale(Vec<Reason>),
}

impl Freshness {
    /// Fresh if there are no reasons.
    pub fn from_reasons(reasons: Vec<Reason>) -> Self {
        if reasons.is_empty() { Self::Fresh } else { Self::Stale(reasons) }
    }

    /// Whether there is nothing to do.
    pub fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh)
    }

    /// The reasons, none if fresh.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Fresh => &[],
            Self::Stale(reasons) => reasons,
        }
    }

    /// The same without what is said of inputs: for a look ahead, while a stage before this one
    /// has yet to make them.
    #[must_use]
    pub fn without_inputs(self) -> Self {
        let Self::Stale(mut reasons) = self else { return Self::Fresh };
        reasons.retain(|reason| {
            !matches!(
                reason,
                Reason::InputChanged { .. }
                    | Reason::InputAdded { .. }
                    | Reason::InputRemoved { .. }
            )
        });
        Self::from_reasons(reasons)
    }
}

/// One reason to build a stage again. Printed, it is a line for people; serialized, it has the
/// same fields for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// There is no saved fingerprint.
    NeverBuilt,
    /// The user asked for it.
    Forced,
    /// A file that the stage made is gone.
    OutputMissing {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
    /// The saved fingerprint cannot be read or contradicts itself.
    FingerprintDamaged {
        /// What is wrong with it.
        detail: String,
    },
    /// The saved fingerprint is another stage's.
    OtherStage {
        /// The stage it belongs to.
        old: String,
        /// The stage that it was taken for.
        new: String,
    },
    /// The stage's code writes another form since.
    FormatVersionChanged {
        /// At the time of the output.
        old: u32,
        /// Now.
        new: u32,
    },
    /// A setting has another value.
    SettingChanged {
        /// The setting.
        field: String,
        /// At the time of the output.
        old: String,
        /// Now.
        new: String,
    },
    /// A setting that the output did not know.
    SettingAdded {
        /// The setting.
        field: String,
        /// Its value.
        new: String,
    },
    /// A setting that there no longer is.
    SettingRemoved {
        /// The setting.
        field: String,
        /// Its value at the time of the output.
        old: String,
    },
    /// An input has another content.
    InputChanged {
        /// The input.
        name: String,
        /// At the time of the output.
        old: Input,
        /// Now.
        new: Input,
    },
    /// An input that the output did not know.
    InputAdded {
        /// The input.
        name: String,
        /// Its content.
        new: Input,
    },
    /// An input that there no longer is.
    InputRemoved {
        /// The input.
        name: String,
        /// Its content at the time of the output.
        old: Input,
    },
    /// A stage before this one is built again, so its output, an input here, may change.
    UpstreamStale {
        /// The stage before.
        stage: String,
    },
}

fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    // Serde refuses paths that are not UTF-8, and one such must not end a report.
    serializer.collect_str(&path.display())
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverBuilt => write!(f, "never built"),
            Self::Forced => write!(f, "forced"),
            Self::OutputMissing { path } => write!(f, "output missing: {}", path.display()),
            Self::FingerprintDamaged { detail } => write!(f, "fingerprint damaged: {detail}"),
            Self::OtherStage { old, new } => {
                write!(f, "fingerprint belongs to stage `{old}`, not `{new}`")
            }
            Self::FormatVersionChanged { old, new } => {
                write!(f, "format version changed: {old} -> {new}")
            }
            Self::SettingChanged { field, old, new } => {
                write!(f, "setting `{field}` changed: {old} -> {new}")
            }
            Self::SettingAdded { field, new } => write!(f, "setting `{field}` added: {new}"),
            Self::SettingRemoved { field, old } => {
                write!(f, "setting `{field}` removed: was {old}")
            }
            Self::InputChanged { name, old, new } => {
                write!(f, "input `{name}` changed: {old} -> {new}")
            }
            Self::InputAdded { name, new } => write!(f, "input `{name}` added: {new}"),
            Self::InputRemoved { name, old } => write!(f, "input `{name}` removed: was {old}"),
            Self::UpstreamStale { stage } => write!(f, "upstream stage `{stage}` will run"),
        }
    }
}

impl fmt::Display for Input {
    /// The first twelve digits of the digest: enough to see that it differs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.digest.char_indices().nth(12).map_or(self.digest.len(), |(at, _)| at);
        write!(f, "{}", &self.digest[..end])?;
        match self.count {
            Some(1) => write!(f, " (1 item)"),
            Some(count) => write!(f, " ({count} items)"),
            None => Ok(()),
        }
    }
}

impl SavedFingerprint {
    /// Says what differs between what stands on the disk and what is wanted.
    pub fn compare(&self, wanted: &Fingerprint) -> Freshness {
        match self {
            Self::Damaged { reason } => {
                Freshness::Stale(vec![Reason::FingerprintDamaged { detail: reason.clone() }])
            }
            Self::Missing | Self::Whole(_) => compare(self.fingerprint(), wanted),
        }
    }
}

pub(crate) fn compare(saved: Option<&Fingerprint>, wanted: &Fingerprint) -> Freshness {
    let Some(saved) = saved else { return Freshness::Stale(vec![Reason::NeverBuilt]) };
    let mut reasons = Vec::new();
    if saved.stage() != wanted.stage() {
        reasons.push(Reason::OtherStage {
            old: saved.stage().to_owned(),
            new: wanted.stage().to_owned(),
        });
    }
    if saved.format_version() != wanted.format_version() {
        reasons.push(Reason::FormatVersionChanged {
            old: saved.format_version(),
            new: wanted.format_version(),
        });
    }
    for (field, old, new) in differences(saved.settings(), wanted.settings()) {
        let field = field.clone();
        reasons.push(match (old.cloned(), new.cloned()) {
            (Some(old), Some(new)) => Reason::SettingChanged { field, old, new },
            (Some(old), None) => Reason::SettingRemoved { field, old },
            (None, new) => Reason::SettingAdded { field, new: new.unwrap_or_default() },
        });
    }
    for (name, old, new) in differences(saved.inputs(), wanted.inputs()) {
        let name = name.clone();
        match (old.cloned(), new.cloned()) {
            (Some(old), Some(new)) => reasons.push(Reason::InputChanged { name, old, new }),
            (Some(old), None) => reasons.push(Reason::InputRemoved { name, old }),
            (None, Some(new)) => reasons.push(Reason::InputAdded { name, new }),
            (None, None) => {}
        }
    }
    Freshness::from_reasons(reasons)
}

/// The keys whose values differ or that only one side has, in the order of keys.
fn differences<'a, V: PartialEq>(
    old: &'a BTreeMap<String, V>,
    new: &'a BTreeMap<String, V>,
) -> Vec<(&'a String, Option<&'a V>, Option<&'a V>)> {
    let mut keys: Vec<&String> =
        old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).collect();
    keys.sort();
    keys.into_iter()
        .map(|key| (key, old.get(key), new.get(key)))
        .filter(|(_, old, new)| old != new)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(edit: impl FnOnce(Edit) -> Edit) -> Fingerprint {
        let edit = edit(Edit::default());
        let mut builder = Fingerprint::builder(edit.stage, edit.version);
        for (key, value) in edit.settings {
            builder = builder.setting(key, value);
        }
        for (name, digest) in edit.inputs {
            builder = builder.input(name, digest);
        }
        builder.input_set("songs", edit.songs).build()
    }

    struct Edit {
        stage: &'static str,
        version: u32,
        settings: Vec<(&'static str, &'static str)>,
        inputs: Vec<(&'static str, &'static str)>,
        songs: Vec<(&'static str, &'static str)>,
    }

    impl Default for Edit {
        fn default() -> Self {
            Self {
                stage: "train",
                version: 1,
                settings: vec![("clip", "3s"), ("seed", "0")],
                inputs: vec![("split", "aaaaaaaaaaaaaaaa")],
                songs: vec![("a/b/c.ogg", "11"), ("a/b/d.ogg", "22")],
            }
        }
    }

    /// A table of edits, and for each the lines that `status --explain` shows.
    #[test]
    fn each_edit_is_told_with_its_old_and_new_value() {
        type Change = fn(Edit) -> Edit;
        let table: &[(Change, &[&str])] = &[
            (|e| e, &[]),
            (|e| Edit { settings: e.settings.into_iter().rev().collect(), ..e }, &[]),
            (|e| Edit { songs: e.songs.into_iter().rev().collect(), ..e }, &[]),
            (|e| Edit { version: 2, ..e }, &["format version changed: 1 -> 2"]),
            (
                |e| Edit { stage: "evaluate", ..e },
                &["fingerprint belongs to stage `train`, not `evaluate`"],
            ),
            (
                |e| Edit { settings: vec![("clip", "5s"), ("seed", "0")], ..e },
                &["setting `clip` changed: 3s -> 5s"],
            ),
            (
                |e| Edit { settings: vec![("clip", "5s"), ("seed", "21")], ..e },
                &["setting `clip` changed: 3s -> 5s", "setting `seed` changed: 0 -> 21"],
            ),
            (|e| Edit { settings: vec![("clip", "3s")], ..e }, &["setting `seed` removed: was 0"]),
            (
                |mut e| {
                    e.settings.push(("patience", "10"));
                    e
                },
                &["setting `patience` added: 10"],
            ),
            (
                |e| Edit { inputs: vec![("split", "bbbbbbbbbbbbbbbb")], ..e },
                &["input `split` changed: aaaaaaaaaaaa -> bbbbbbbbbbbb"],
            ),
            (|e| Edit { inputs: vec![], ..e }, &["input `split` removed: was aaaaaaaaaaaa"]),
            (
                |mut e| {
                    e.inputs.push(("weights", "cc"));
                    e
                },
                &["input `weights` added: cc"],
            ),
        ];
        let saved = train(|e| e);
        for (change, expected) in table {
            let freshness = compare(Some(&saved), &train(change));
            let lines: Vec<String> = freshness.reasons().iter().map(ToString::to_string).collect();
            assert_eq!(&lines, expected);
            assert_eq!(freshness.is_fresh(), expected.is_empty());
        }
    }

    #[test]
    fn an_added_song_shows_in_the_count() {
        let saved = train(|e| e);
        let wanted = train(|mut e| {
            e.songs.push(("a/b/e.ogg", "33"));
            e
        });
        let freshness = compare(Some(&saved), &wanted);
        let [reason @ Reason::InputChanged { .. }] = freshness.reasons() else {
            panic!("{freshness:?}")
        };
        let line = reason.to_string();
        assert!(line.contains("(2 items) -> ") && line.ends_with("(3 items)"), "{line}");
    }

    #[test]
    fn without_inputs_only_what_else_is_stale_remains() {
        let saved = train(|e| e);
        let song = train(|mut e| {
            e.songs.push(("a/b/e.ogg", "33"));
            e
        });
        assert!(compare(Some(&saved), &song).without_inputs().is_fresh());
        let both = train(|mut e| {
            e.songs.push(("a/b/e.ogg", "33"));
            e.version = 2;
            e
        });
        let left = compare(Some(&saved), &both).without_inputs();
        assert_eq!(left.reasons(), [Reason::FormatVersionChanged { old: 1, new: 2 }]);
    }

    #[test]
    fn what_was_never_built_or_is_damaged_says_so() {
        let wanted = train(|e| e);
        assert_eq!(
            SavedFingerprint::Missing.compare(&wanted),
            Freshness::Stale(vec![Reason::NeverBuilt])
        );
        let damaged = SavedFingerprint::Damaged { reason: "EOF".to_owned() };
        assert_eq!(damaged.compare(&wanted).reasons()[0].to_string(), "fingerprint damaged: EOF");
        assert!(SavedFingerprint::Whole(wanted.clone()).compare(&wanted).is_fresh());
    }

    #[test]
    fn reasons_serialize_with_a_tag_and_their_fields() {
        let stale = Freshness::Stale(vec![
            Reason::SettingChanged { field: "clip".into(), old: "3s".into(), new: "5s".into() },
            Reason::OutputMissing { path: "/data/x".into() },
        ]);
        assert_eq!(
            serde_json::to_string(&stale).unwrap(),
            r#"{"state":"stale","reasons":[{"reason":"setting_changed","field":"clip","old":"3s","#
                .to_owned()
                + r#""new":"5s"},{"reason":"output_missing","path":"/data/x"}]}"#
        );
        assert_eq!(serde_json::to_string(&Freshness::Fresh).unwrap(), r#"{"state":"fresh"}"#);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_still_serializes() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(OsStr::from_bytes(b"/data/\xff"));
        let text = serde_json::to_string(&Reason::OutputMissing { path }).unwrap();
        assert!(text.contains("/data/\u{fffd}"), "{text}");
    }
}
