//! What a trial is made of: the configuration file, the flags over it, and the trial's name.

mod artists;
mod clip_length;
mod flags;
mod recipe;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cantus_cache::{ClipRule, Precision};
use cantus_corpus::{CorpusError, Fold, SplitKind, SplitRng};
use cantus_crnn::{Crnn1dConfig, Crnn2dConfig, GruForm, ModelConfig, RnnConfig};
use cantus_mel::MelConfig;
use cantus_train::TrainConfig;
use serde::{Deserialize, Serialize};

use crate::errors::bad_usage;

pub(crate) use artists::Artists;
pub(crate) use clip_length::ClipLength;
pub(crate) use flags::{CorpusFlags, SplitFlag, TrialFlags};
pub(crate) use recipe::Recipe;

/// Everything that decides what one trial computes; its defaults are the paper's.
///
/// Serialises to the `config.toml` beside a run, which runs it again. What only decides how fast
/// it is computed (threads, memory) stands elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// A corpus by name (`demo`, `freemusic-small`, ...), a folder of music or a manifest (`.tsv`).
    pub(crate) corpus: String,
    /// Clip length, as in `3s`.
    pub(crate) clip: ClipLength,
    /// Split by song or by album.
    pub(crate) split: SplitKind,
    /// Seed of the split, the initial weights, the order of the clips and the dropout masks.
    pub(crate) seed: u64,
    /// Which fold of a cross-validation, as in `2/4`; a single split where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fold: Option<Fold>,
    /// How the corpus names its songs.
    pub(crate) layout: Layout,
    /// Only these artists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artists: Option<Artists>,
    /// Deal the artists' names to the songs by lot: what is scored then is chance, or a leak.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) shuffle_labels: bool,
    /// At most so many songs of each artist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_songs_per_artist: Option<usize>,
    /// At most so many seconds of each song, from its middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_seconds_per_song: Option<f64>,
    /// At most so many seconds of each artist, by whole songs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_seconds_per_artist: Option<f64>,
    /// Of songs with the same sound, only the first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) drop_duplicates: bool,
    /// Which clips of a song are used.
    pub(crate) clip_rule: ClipRule,
    /// Which generator draws the split.
    pub(crate) split_rng: SplitRng,
    /// How spectrograms are stored.
    pub(crate) precision: Precision,
    /// The front end.
    pub(crate) mel: MelConfig,
    /// The network.
    pub(crate) model: ModelSettings,
    /// The training loop.
    pub(crate) train: TrainConfig,
    /// Begin with the weights of this model file, all but the last layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<PathBuf>,
}

/// How a corpus names its songs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Layout {
    /// By folders: `<artist>/<album>/<song>.<ext>`.
    #[default]
    Folders,
    /// By the tags in the files.
    Tags,
}

/// Which network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ModelSettings {
    /// The architecture.
    pub(crate) name: ModelName,
    /// The GRU's equations; of `rnn`, an LSTM's gates.
    pub(crate) gru_form: GruForm,
}

/// The architectures that can be trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModelName {
    /// The paper's network.
    #[default]
    Crnn2d,
    /// Five wider blocks.
    Crnn2dLarger,
    /// The same five with two or three convolutions each.
    Crnn2dVgg,
    /// Convolutions over time alone.
    Crnn1d,
    /// Two LSTMs without convolutions.
    Rnn,
}

impl ModelName {
    /// The name on the command line and in the run's folder.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crnn2d => "crnn2d",
            Self::Crnn2dLarger => "crnn2d-larger",
            Self::Crnn2dVgg => "crnn2d-vgg",
            Self::Crnn1d => "crnn1d",
            Self::Rnn => "rnn",
        }
    }
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { name: ModelName::default(), gru_form: GruForm::Keras }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            corpus: "demo".to_owned(),
            clip: ClipLength::default(),
            split: SplitKind::Song,
            seed: 0,
            fold: None,
            layout: Layout::default(),
            artists: None,
            shuffle_labels: false,
            max_songs_per_artist: None,
            max_seconds_per_song: None,
            max_seconds_per_artist: None,
            drop_duplicates: false,
            clip_rule: ClipRule::AllWhole,
            split_rng: SplitRng::Cantus,
            precision: Precision::F32,
            mel: MelConfig::default(),
            model: ModelSettings::default(),
            train: TrainConfig::default(),
            from: None,
        }
    }
}

impl Config {
    /// Reads a configuration file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the configuration `{}`\n\n\
                 hint: name a TOML file, such as the `config.toml` in the folder of a run",
                path.display()
            )
        })?;
        Self::parse(&text)
            .with_context(|| format!("the configuration `{}` is not valid", path.display()))
    }

    /// The settings that a configuration file states, by their names at the top; all others are
    /// defaults.
    pub(crate) fn stated(path: &Path) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration `{}`", path.display()))?;
        let table: toml::Table = toml::from_str(&text)
            .with_context(|| format!("the configuration `{}` is not valid", path.display()))?;
        Ok(table.keys().cloned().collect())
    }

    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text)?;
        if table.get("train").and_then(|train| train.get("seed")).is_some() {
            bail!("`seed` stands at the top and governs all; there is none under `[train]`");
        }
        let config: Self = toml::from_str(text)?;
        let seed = config.seed;
        Ok(config.with_seed(seed))
    }

    /// The same with another seed, for the training as for all else.
    pub(crate) fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.train.seed = seed;
        self
    }

    /// The configuration as TOML, as it stands beside a run.
    pub(crate) fn to_toml(&self) -> Result<String> {
        let mut table =
            toml::Table::try_from(self).context("cannot write the configuration as TOML")?;
        if let Some(train) = table.get_mut("train").and_then(toml::Value::as_table_mut) {
            train.remove("seed");
        }
        toml::to_string_pretty(&table).context("cannot write the configuration as TOML")
    }

    /// Which songs of the corpus are taken, in words; nothing where all are.
    pub(crate) fn selection(&self) -> Option<String> {
        let Self { artists, max_songs_per_artist, max_seconds_per_artist, drop_duplicates, .. } =
            self;
        if artists.is_none()
            && max_songs_per_artist.is_none()
            && max_seconds_per_artist.is_none()
            && !drop_duplicates
        {
            return None;
        }
        // Which artists a number draws is the seed's to say.
        let seed = artists.as_ref().map(|_| self.seed);
        Some(format!(
            "{artists:?} {max_songs_per_artist:?} {max_seconds_per_artist:?} {drop_duplicates} {seed:?}"
        ))
    }

    /// Refuses settings that no song could be turned into a spectrogram with, before any work
    /// begins. Flags may yet be laid over the rest, which [`Config::check_trial`] looks at.
    pub(crate) fn check(&self) -> Result<()> {
        if self.max_songs_per_artist == Some(0) {
            return bad_usage("`--max-songs 0` leaves no song of any artist");
        }
        if let Some(seconds) = self.max_seconds_per_song
            && !(seconds.is_finite() && seconds > 0.0)
        {
            return bad_usage(format!("`--max-seconds {seconds}` leaves no sound of any song"));
        }
        if let Some(seconds) = self.max_seconds_per_artist
            && !(seconds.is_finite() && seconds > 0.0)
        {
            return bad_usage(format!(
                "`--max-artist-seconds {seconds}` leaves no song of any artist"
            ));
        }
        cantus_mel::LogMelPlan::new(&self.mel).context("the front end's settings")?;
        Ok(())
    }

    /// Refuses settings that no stage of a trial could use, before any work begins.
    pub(crate) fn check_trial(&self) -> Result<()> {
        self.check()?;
        self.train.check()?;
        // Any number of artists will do; how many there are is known after the scan.
        let network = self.network(2);
        network.validate().context("the network's settings")?;
        let (frames, needed) = (self.frames_per_clip(), network.minimum_frames());
        if frames < needed {
            bail!(
                "a clip of {} has {frames} frames, fewer than the {needed} that the network \
                 needs\n\nhint: take clips of at least {}s",
                self.clip,
                self.seconds_of(needed)
            );
        }
        if let Some(seconds) = self.max_seconds_per_song
            && self.mel.frames((seconds * f64::from(self.mel.sample_rate)) as usize)
                < self.frames_for_one_clip()
        {
            bail!(
                "`--max-seconds {seconds}` leaves no song long enough for a clip of {}\n\n\
                 hint: take at least {}s of each song, or shorter clips",
                self.clip,
                self.seconds_of(self.frames_for_one_clip())
            );
        }
        if self.fold.is_some() && self.split_rng == SplitRng::Original {
            return bad_usage(
                "the original drew no folds\n\nhint: leave out `--folds`, or take \
                 `--split-rng cantus`",
            );
        }
        if self.split == SplitKind::Song && self.split_rng == SplitRng::Original {
            u32::try_from(self.seed).map_err(|_| CorpusError::OriginalSeed { seed: self.seed })?;
        }
        Ok(())
    }

    /// The network for so many artists.
    pub(crate) fn network(&self, classes: usize) -> ModelConfig {
        let (n_mels, gru_form) = (self.mel.n_mels, self.model.gru_form);
        let crnn2d = |shape| Crnn2dConfig { n_mels, classes, gru_form, ..shape }.into();
        match self.model.name {
            ModelName::Crnn2d => crnn2d(Crnn2dConfig::default()),
            ModelName::Crnn2dLarger => crnn2d(Crnn2dConfig::larger()),
            ModelName::Crnn2dVgg => crnn2d(Crnn2dConfig::vgg()),
            ModelName::Crnn1d => {
                Crnn1dConfig { n_mels, classes, gru_form, ..Crnn1dConfig::default() }.into()
            }
            ModelName::Rnn => {
                RnnConfig { n_mels, classes, gru_form, ..RnnConfig::default() }.into()
            }
        }
    }

    /// From one frame of the spectrogram to the next.
    pub(crate) fn seconds_per_frame(&self) -> f64 {
        self.mel.hop_length as f64 / f64::from(self.mel.sample_rate)
    }

    /// Frames of the spectrogram as seconds, rounded up to a hundredth.
    fn seconds_of(&self, frames: usize) -> f64 {
        let seconds = (frames * self.mel.hop_length) as f64 / f64::from(self.mel.sample_rate);
        (seconds * 100.0).ceil() / 100.0
    }

    /// Clip length in spectrogram frames.
    pub(crate) fn frames_per_clip(&self) -> usize {
        self.clip.frames(self.mel.sample_rate, self.mel.hop_length)
    }

    /// Frames that a song must have to give a clip.
    pub(crate) fn frames_for_one_clip(&self) -> usize {
        match self.clip_rule {
            // The original drops the last whole clip, so a song must hold two to give one.
            ClipRule::Original => 2 * self.frames_per_clip(),
            _ => self.frames_per_clip(),
        }
    }

    /// The trial's folder under its corpus: `crnn2d-3s-song-0`, the fold, and a hash of every setting that
    /// the name does not say and that differs from its default.
    pub(crate) fn run_name(&self) -> Result<String> {
        let fold = self
            .fold
            .map_or_else(String::new, |fold| format!("-fold{}of{}", fold.number(), fold.of()));
        let model = self.model.name.as_str();
        let name = format!("{model}-{}-{}-{}{fold}", self.clip, self.split, self.seed);
        let unnamed = |config: &Self| -> Result<BTreeMap<String, String>> {
            let mut rest = config.clone();
            let default = Self::default();
            rest.corpus = default.corpus;
            rest.clip = default.clip;
            rest.split = default.split;
            rest.fold = default.fold;
            rest = rest.with_seed(default.seed);
            rest.model.name = default.model.name;
            let table = toml::Value::try_from(&rest).context("cannot write the configuration")?;
            let mut settings = BTreeMap::new();
            flatten("", &table, &mut settings);
            Ok(settings)
        };
        let default = unnamed(&Self::default())?;
        let mut different = unnamed(self)?;
        different.retain(|key, value| default.get(key) != Some(value));
        if different.is_empty() {
            return Ok(name);
        }
        let mut hasher = blake3::Hasher::new();
        for text in different.iter().flat_map(|(key, value)| [key, value]) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Ok(format!("{name}-{}", &hasher.finalize().to_hex()[..8]))
    }
}

/// The settings in a table by their dotted names, as text that no library's taste in writing
/// numbers changes: names of runs must outlive it.
fn flatten(name: &str, value: &toml::Value, settings: &mut BTreeMap<String, String>) {
    let mut inner = |key: &str, value: &toml::Value| {
        let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        flatten(&name, value, settings);
    };
    let text = match value {
        toml::Value::Table(table) => {
            return table.iter().for_each(|(key, value)| inner(key, value));
        }
        toml::Value::Array(values) => {
            return values.iter().enumerate().for_each(|(at, value)| inner(&at.to_string(), value));
        }
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => format!("{:016x}", number.to_bits()),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
    };
    settings.insert(name.to_owned(), text);
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn the_saved_configuration_reads_back_as_itself() {
        let config = Config {
            max_seconds_per_song: Some(30.0),
            split: SplitKind::Album,
            ..Config::default().with_seed(21)
        };
        assert_eq!(config.train.seed, 21);
        let text = config.to_toml().unwrap();
        assert_eq!(Config::parse(&text).unwrap(), config, "{text}");
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let error = Config::parse("sede = 3").unwrap_err();
        assert!(error.to_string().contains("sede"), "{error}");
    }

    #[test]
    fn there_is_one_seed() {
        let error = Config::parse("seed = 3\n[train]\nseed = 4").unwrap_err();
        assert!(error.to_string().contains("top"), "{error}");
        assert_eq!(Config::parse("seed = 3").unwrap().train.seed, 3);
    }

    #[test]
    fn the_default_trial_is_named_by_model_clip_split_and_seed_alone() {
        assert_eq!(Config::default().run_name().unwrap(), "crnn2d-3s-song-0");
        let named = Config { split: SplitKind::Album, ..Config::default().with_seed(42) };
        assert_eq!(named.run_name().unwrap(), "crnn2d-3s-album-42");
        let fold = Config { fold: Fold::new(2, 4).ok(), ..named };
        assert_eq!(fold.run_name().unwrap(), "crnn2d-3s-album-42-fold2of4");
    }

    #[test]
    fn any_other_setting_gives_the_name_a_hash_that_the_named_ones_do_not_change() {
        let capped = Config { max_seconds_per_song: Some(30.0), ..Config::default() };
        let name = capped.run_name().unwrap();
        let hash = name.strip_prefix("crnn2d-3s-song-0-").unwrap();
        assert_eq!(hash.len(), 8);
        let other_seed = capped.clone().with_seed(21);
        assert_eq!(other_seed.run_name().unwrap(), format!("crnn2d-3s-song-21-{hash}"));
        let other_cap = Config { max_seconds_per_song: Some(31.0), ..Config::default() };
        assert!(!other_cap.run_name().unwrap().ends_with(hash));
    }

    #[test]
    fn the_hash_is_of_the_settings_that_differ_alone() {
        let hash = |settings: &[(&str, &str)]| {
            let mut hasher = blake3::Hasher::new();
            for text in settings.iter().flat_map(|(key, value)| [key, value]) {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            format!("crnn2d-3s-song-0-{}", &hasher.finalize().to_hex()[..8])
        };
        let name = |text: &str| Config::parse(text).unwrap().run_name().unwrap();
        assert_eq!(
            name("max_seconds_per_song = 30.0\n[train]\nepochs = 7"),
            hash(&[("max_seconds_per_song", "403e000000000000"), ("train.epochs", "7")])
        );
        assert_eq!(name("[mel]\nn_fft = 1024"), hash(&[("mel.n_fft", "1024")]));
    }

    #[test]
    fn settings_that_leave_nothing_are_refused() {
        let no_songs = Config { max_songs_per_artist: Some(0), ..Config::default() };
        assert!(no_songs.check().is_err());
        let no_sound = Config { max_seconds_per_song: Some(-1.0), ..Config::default() };
        assert!(no_sound.check().is_err());
        Config::default().check().unwrap();
    }

    #[test]
    fn a_model_has_one_name_in_flags_files_and_folders() {
        for model in ModelName::value_variants() {
            let name = model.as_str();
            assert_eq!(ModelName::from_str(name, false).as_ref(), Ok(model));
            let config = Config::parse(&format!("model.name = '{name}'")).unwrap();
            assert_eq!(config.model.name, *model);
            assert_eq!(config.run_name().unwrap(), format!("{name}-3s-song-0"));
            config.check_trial().unwrap();
            assert_eq!(config.network(7).classes(), 7);
            assert_eq!(config.network(7).n_mels(), 128);
        }
    }

    #[test]
    fn each_network_says_how_short_a_clip_may_be() {
        let refused = |model: &str| {
            let config = Config::parse(&format!("clip = '0.2s'\nmodel.name = '{model}'")).unwrap();
            config.check_trial().err().map(|error| format!("{error:#}"))
        };
        for (model, frames) in [("crnn2d", 16), ("crnn2d-larger", 8), ("crnn1d", 36)] {
            let message = refused(model).unwrap();
            assert!(message.contains(&format!("fewer than the {frames} that")), "{message}");
        }
        assert_eq!(refused("rnn"), None);
    }

    #[test]
    fn clips_bands_and_seeds_that_a_trial_cannot_use_are_refused_with_what_would_do() {
        let refused = |text: &str| {
            let config = Config::parse(text).unwrap();
            config.check().unwrap();
            format!("{:#}", config.check_trial().unwrap_err())
        };
        let short = refused("clip = '0.3s'");
        assert!(short.contains("10 frames") && short.contains("16"), "{short}");
        assert!(short.contains("at least 0.52s"), "{short}");
        Config::parse("clip = '0.52s'").unwrap().check_trial().unwrap();
        let narrow = refused("[mel]\nn_mels = 64");
        assert!(narrow.contains("64 mel bands"), "{narrow}");
        let seed = refused("seed = 4294967296\nsplit_rng = 'original'");
        assert!(seed.contains("4294967296"), "{seed}");
        let by_album = "seed = 4294967296\nsplit_rng = 'original'\nsplit = 'album'";
        Config::parse(by_album).unwrap().check_trial().unwrap();
        let excerpt = refused("max_seconds_per_song = 2.5");
        assert!(excerpt.contains("--max-seconds 2.5") && excerpt.contains("3.01s"), "{excerpt}");
        let original = refused("max_seconds_per_song = 4.0\nclip_rule = 'original'");
        assert!(original.contains("6.02s"), "{original}");
        Config::parse("max_seconds_per_song = 3.01").unwrap().check_trial().unwrap();
        Config::default().check_trial().unwrap();
    }
}
