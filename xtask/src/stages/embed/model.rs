//! A model file, and how a corpus must be heard for it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use cantus::{Excerpt, Identifier};
use cantus_cache::ClipRule;
use cantus_crnn::ModelFile;
use cantus_eval::EmbeddingModel;
use cantus_mel::MelConfig;

use crate::session::Session;
use crate::settings::{ClipLength, Config, CorpusFlags};

/// A trained model whose bottleneck is wanted. Its file decides front end, excerpt and clip length.
pub(crate) struct HearingModel {
    /// The model's file.
    pub(crate) path: PathBuf,
    /// The model at work on recordings outside the corpus.
    pub(crate) identifier: Identifier,
    /// The model as it stands in the file.
    pub(super) file: ModelFile,
    /// BLAKE3 of the file.
    pub(super) hash: String,
    mel: MelConfig,
    clip: ClipLength,
}

impl HearingModel {
    /// Reads a model file, and refuses one whose spectrograms cannot be made here.
    pub(crate) fn open(session: &Session, path: PathBuf) -> Result<Self> {
        let file = ModelFile::read(&path)?;
        let identifier = Identifier::from_model_file(&file)?;
        let hash = session.hash(path.clone())?;
        let mel = MelConfig::from_key_values(&file.front_end)?;
        let frames = file.frames_per_clip;
        let Some(clip) = ClipLength::of_frames(frames, mel.sample_rate, mel.hop_length) else {
            bail!("the model `{}` takes clips of {frames} frames, an hour or more", path.display());
        };
        Ok(Self { path, identifier, file, hash, mel, clip })
    }

    /// What tells the model's embeddings from those of all others.
    pub(crate) fn tag(&self) -> EmbeddingModel {
        EmbeddingModel {
            model_hash: self.hash.clone(),
            front_end: self.file.front_end.clone(),
            frames_per_clip: self.file.frames_per_clip as u32,
            clip_seconds: self.identifier.clip_seconds(),
        }
    }

    /// The corpus that the flags name, to be heard as the model was trained.
    ///
    /// # Errors
    /// Where a flag, or what the configuration file states, contradicts the model.
    pub(crate) fn config(&self, flags: &CorpusFlags, clip: Option<ClipLength>) -> Result<Config> {
        let mut config = flags.config()?;
        let stated = match &flags.config {
            Some(path) => Config::stated(path)?,
            None => Vec::new(),
        };
        let is_stated = |key: &str| stated.iter().any(|stated| stated == key);
        let of_file = |key: &str, value: &str| format!("`{key} = {value}` of the configuration");

        let clip_frames = |clip: ClipLength| clip.frames(self.mel.sample_rate, self.mel.hop_length);
        let wanted_clip = clip.or_else(|| is_stated("clip").then_some(config.clip));
        if let Some(wanted) = wanted_clip
            && clip_frames(wanted) != self.file.frames_per_clip
        {
            let flag = match clip {
                Some(_) => format!("`--clip {wanted}`"),
                None => of_file("clip", &wanted.to_string()),
            };
            bail!(self.contradicted(&flag, &format!("takes clips of {}", self.clip)));
        }
        let excerpt = match self.identifier.excerpt() {
            Excerpt::Middle { seconds } | Excerpt::First { seconds } => Some(seconds),
            Excerpt::Whole => None,
        };
        if let Some(seconds) = config.max_seconds_per_song
            && excerpt != Some(seconds)
        {
            let flag = match flags.max_seconds {
                Some(_) => format!("`--max-seconds {seconds}`"),
                None => of_file("max_seconds_per_song", &seconds.to_string()),
            };
            bail!(self.contradicted(&flag, &format!("hears {}", self.heard_of_a_song())));
        }
        if is_stated("mel") && config.mel != self.mel {
            let of_model = "was trained on spectrograms of other settings";
            bail!(self.contradicted("`[mel]` of the configuration", of_model));
        }
        config.clip = self.clip;
        config.clip_rule = ClipRule::AllWhole;
        config.max_seconds_per_song = excerpt;
        config.mel = self.mel.clone();
        config.check()?;
        Ok(config)
    }

    fn heard_of_a_song(&self) -> String {
        match self.identifier.excerpt() {
            Excerpt::Middle { seconds } => format!("the middle {seconds} s of each song"),
            Excerpt::First { seconds } => format!("the first {seconds} s of each song"),
            Excerpt::Whole => "the whole of each song".to_owned(),
        }
    }

    fn contradicted(&self, flag: &str, of_model: &str) -> String {
        format!(
            "{flag} contradicts the model `{}`, which {of_model}\n\n\
             hint: leave it out, since the model's file decides, or name another model with \
             `--weights`",
            self.path.display()
        )
    }
}
