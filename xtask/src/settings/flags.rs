//! The flags that mean the same in every command.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use cantus_cache::Precision;
use cantus_corpus::{Fold, SplitKind, SplitRng};
use clap::{Args, ValueEnum};

use crate::cli::positive;

use super::{Artists, ClipLength, Config, Layout, ModelName, Recipe};

/// Which songs, and how they become spectrograms.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Corpus")]
pub(crate) struct CorpusFlags {
    /// A corpus by name (`demo`, `freemusic-small`, `freemusic-albums`, `freemusic-all`), a folder
    /// of music, or a manifest (.tsv with columns path, artist, album, title) [default: demo]
    #[arg(long, value_name = "NAME|DIR|TSV")]
    pub(crate) corpus: Option<String>,
    /// Name artist and album by folders (<artist>/<album>/<song>) or by the tags in the files
    /// [default: folders]
    #[arg(long)]
    pub(crate) layout: Option<Layout>,
    /// At most this many songs of each artist, taken evenly from its albums
    #[arg(long, value_name = "N")]
    pub(crate) max_songs: Option<NonZeroUsize>,
    /// At most this many seconds of each song, from its middle
    #[arg(long, value_name = "SECONDS", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) max_seconds: Option<f64>,
    /// Store spectrograms as 32-bit or 16-bit floats [default: f32]
    #[arg(long)]
    pub(crate) precision: Option<PrecisionFlag>,
    /// Settings from a TOML file, such as a run's `config.toml`; flags win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Which trials: each list multiplies the number of trials.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Trial")]
pub(crate) struct TrialFlags {
    /// Songs and front end.
    #[command(flatten)]
    pub(crate) corpus: CorpusFlags,
    /// Clip length in seconds; a comma separates several [default: 3s]
    #[arg(long, value_name = "SECONDS", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) clip: Vec<ClipLength>,
    /// Split by song or by album; a comma separates several [default: song]
    #[arg(long, value_delimiter = ',')]
    pub(crate) split: Vec<SplitFlag>,
    /// Cross-validation: as many trials as folds, in which every song tests once
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(crate) folds: Option<u16>,
    /// So many artists, drawn by the seed, or those named, as in `Ann;Bob` [default: all]
    #[arg(long, value_name = "N|NAMES")]
    pub(crate) artists: Option<Artists>,
    /// At most this many seconds of each artist, by whole songs taken evenly from its albums
    #[arg(long, value_name = "SECONDS", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) max_artist_seconds: Option<f64>,
    /// Of songs that decode to the same sound, take the first only
    #[arg(long)]
    pub(crate) drop_duplicates: bool,
    /// Deal the artists' names to the songs by lot: scores must fall to chance
    #[arg(long)]
    pub(crate) shuffle_labels: bool,
    /// Seed of the split, weights, order and masks; a comma separates several [default: 0]
    #[arg(long, value_name = "N", value_delimiter = ',', allow_negative_numbers = true)]
    pub(crate) seed: Vec<u64>,
    /// The network; a comma separates several [default: crnn2d]
    #[arg(long, value_delimiter = ',')]
    pub(crate) model: Vec<ModelName>,
    /// Draw the split with our own generator or exactly as the original code did
    /// [default: cantus]
    #[arg(long)]
    pub(crate) split_rng: Option<SplitRngFlag>,
    /// Use all whole clips of a song, or drop the last one as the original code did
    /// [default: all-whole]
    #[arg(long)]
    pub(crate) clip_rule: Option<ClipRuleFlag>,
    /// The GRU's equations: Keras 2's (hard sigmoid, reset before) or PyTorch's; of `rnn`, the
    /// LSTM's gates [default: keras]
    #[arg(long)]
    pub(crate) gru_form: Option<GruFormFlag>,
    /// Fine-tune: begin with this model's weights and a new last layer for the corpus' artists; a file,
    /// the folder of a run, or `bundled`, the model of this repository
    #[arg(long, value_name = "FILE|RUN|bundled")]
    pub(crate) from: Option<PathBuf>,
    /// How to train; flags about it win over it [default: paper]
    #[arg(long)]
    pub(crate) recipe: Option<Recipe>,
    /// At most this many epochs [default: 200; with `--recipe best` 12, along the whole cosine]
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<NonZeroUsize>,
    /// Stop after this many epochs without a better validation loss [default: 10; with `--recipe best`
    /// as many as there are]
    #[arg(long, value_name = "N")]
    pub(crate) patience: Option<NonZeroUsize>,
    /// Clips a training step [default: 16]
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<NonZeroUsize>,
    /// Adam's learning rate [default: 0.001]
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    /// Weigh each artist's clips by the inverse of their number
    #[arg(long)]
    pub(crate) balance_classes: bool,
}

/// `--precision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionFlag {
    /// 32-bit floats.
    F32,
    /// 16-bit floats: half the size, rounded to at most 0.03 dB.
    F16,
}

/// `--split`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitFlag {
    /// Songs are dealt to the parts, stratified by artist.
    Song,
    /// Whole albums are dealt to the parts: no production is heard in training and test both.
    Album,
}

/// `--split-rng`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitRngFlag {
    /// Our own generator.
    Cantus,
    /// NumPy's and Python's generators, index for index as the original code.
    Original,
}

/// `--clip-rule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClipRuleFlag {
    /// Every whole clip.
    AllWhole,
    /// All whole clips but the last, as in the original code.
    Original,
}

/// `--gru-form`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GruFormFlag {
    /// Keras 2: hard sigmoid gates, reset before the product.
    Keras,
    /// PyTorch: logistic gates, reset after the product.
    Torch,
}

impl CorpusFlags {
    /// The configuration file, or the defaults, with these flags over it.
    pub(crate) fn config(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(corpus) = &self.corpus {
            config.corpus.clone_from(corpus);
        }
        if let Some(layout) = self.layout {
            config.layout = layout;
        }
        if let Some(songs) = self.max_songs {
            config.max_songs_per_artist = Some(songs.get());
        }
        if self.max_seconds.is_some() {
            config.max_seconds_per_song = self.max_seconds;
        }
        if let Some(precision) = self.precision {
            config.precision = match precision {
                PrecisionFlag::F32 => Precision::F32,
                PrecisionFlag::F16 => Precision::F16,
            };
        }
        config.check()?;
        Ok(config)
    }
}

impl TrialFlags {
    /// The trials asked for: every combination of the lists, in the order given.
    pub(crate) fn trials(&self) -> Result<Vec<Config>> {
        let mut base = self.corpus.config()?;
        self.lay_over(&mut base);
        let clips = or_default(&self.clip, base.clip);
        let models = or_default(&self.model, base.model.name);
        let seeds = or_default(&self.seed, base.seed);
        let splits: Vec<SplitKind> = self.split.iter().map(|&split| split.into()).collect();
        let splits = or_default(&splits, base.split);
        let folds: Vec<Option<Fold>> = match self.folds {
            Some(folds) => Fold::all(folds.into())?.into_iter().map(Some).collect(),
            None => vec![base.fold],
        };
        let mut trials = Vec::new();
        for &model in &models {
            for &split in &splits {
                for &clip in &clips {
                    for (&seed, &fold) in
                        seeds.iter().flat_map(|seed| folds.iter().map(move |fold| (seed, fold)))
                    {
                        let mut trial =
                            Config { clip, split, fold, ..base.clone() }.with_seed(seed);
                        trial.model.name = model;
                        trial.check_trial()?;
                        trials.push(trial);
                    }
                }
            }
        }
        Ok(trials)
    }

    fn lay_over(&self, config: &mut Config) {
        if let Some(rng) = self.split_rng {
            config.split_rng = match rng {
                SplitRngFlag::Cantus => SplitRng::Cantus,
                SplitRngFlag::Original => SplitRng::Original,
            };
        }
        if let Some(rule) = self.clip_rule {
            config.clip_rule = match rule {
                ClipRuleFlag::AllWhole => cantus_cache::ClipRule::AllWhole,
                ClipRuleFlag::Original => cantus_cache::ClipRule::Original,
            };
        }
        if let Some(artists) = &self.artists {
            config.artists = Some(artists.clone());
        }
        if self.max_artist_seconds.is_some() {
            config.max_seconds_per_artist = self.max_artist_seconds;
        }
        if self.drop_duplicates {
            config.drop_duplicates = true;
        }
        if self.shuffle_labels {
            config.shuffle_labels = true;
        }
        if let Some(form) = self.gru_form {
            config.model.gru_form = match form {
                GruFormFlag::Keras => cantus_crnn::GruForm::Keras,
                GruFormFlag::Torch => cantus_crnn::GruForm::Torch,
            };
        }
        if self.from.is_some() {
            config.from.clone_from(&self.from);
        }
        if let Some(recipe) = self.recipe {
            recipe.lay_over(&mut config.train);
        }
        if let Some(epochs) = self.epochs {
            match self.recipe {
                Some(recipe) => recipe.of_epochs(&mut config.train, epochs.get()),
                None => config.train.epochs = epochs.get(),
            }
        }
        if let Some(patience) = self.patience {
            config.train.patience = patience.get();
        }
        if let Some(batch_size) = self.batch_size {
            config.train.batch_size = batch_size.get();
        }
        if let Some(learning_rate) = self.learning_rate {
            config.train.learning_rate = learning_rate;
        }
        if self.balance_classes {
            config.train.class_weights = cantus_train::ClassWeights::Balanced;
        }
    }
}

impl From<SplitKind> for SplitFlag {
    fn from(kind: SplitKind) -> Self {
        if kind == SplitKind::Album { Self::Album } else { Self::Song }
    }
}

impl From<SplitFlag> for SplitKind {
    fn from(flag: SplitFlag) -> Self {
        match flag {
            SplitFlag::Song => Self::Song,
            SplitFlag::Album => Self::Album,
        }
    }
}

/// The values of a list, each once, in the order given; `default` where there are none.
fn or_default<T: Copy + PartialEq>(list: &[T], default: T) -> Vec<T> {
    let mut values = Vec::new();
    let only = [default];
    for &value in if list.is_empty() { &only } else { list } {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_named_twice_is_one_trial() {
        let flags = TrialFlags {
            seed: vec![21, 0, 21],
            clip: ["1s", "1"].map(|text| text.parse().unwrap()).to_vec(),
            split: vec![SplitFlag::Album, SplitFlag::Album],
            ..TrialFlags::default()
        };
        let trials = flags.trials().unwrap();
        let seeds: Vec<u64> = trials.iter().map(|trial| trial.seed).collect();
        assert_eq!(seeds, [21, 0]);
    }
}
