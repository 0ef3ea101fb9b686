//! The stage `split`: which songs train, which validate, which test.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus_corpus::{Corpus, Split, SplitKind, SplitRng};
use cantus_pipeline::{Fingerprint, Stage};

use crate::session::Session;
use crate::settings::Config;

const FORMAT_VERSION: u32 = 1;

/// The split of a run.
pub(crate) fn path(run: &Path) -> PathBuf {
    run.join("split.tsv")
}

/// The stage with its outputs.
pub(crate) fn stage(run: &Path) -> Stage {
    Stage::new("split").after("scan").after("preprocess").output(path(run))
}

/// What the split is made of: the songs that have a spectrogram, and the seed.
pub(crate) fn wanted(config: &Config, usable: &Corpus) -> Fingerprint {
    let names = usable
        .songs
        .iter()
        .map(|song| (song.id.as_str(), format!("{}\t{}", song.artist, song.album)));
    let rng = match config.split_rng {
        SplitRng::Original => "original",
        _ => "cantus",
    };
    Fingerprint::builder("split", FORMAT_VERSION)
        .setting("split", kind_name(config.split))
        .setting("seed", config.seed)
        .setting("split_rng", rng)
        .input_set("songs", names)
        .build()
}

/// `song` or `album`.
pub(crate) fn kind_name(kind: SplitKind) -> &'static str {
    match kind {
        SplitKind::Album => "album",
        _ => "song",
    }
}

/// Deals the songs to the parts and saves them beside the run.
pub(crate) fn run(session: &Session, config: &Config, usable: &Corpus, run: &Path) -> Result<()> {
    let split = match config.split {
        SplitKind::Album => cantus_corpus::split_by_album(usable, config.seed, config.split_rng)?,
        _ => cantus_corpus::split_by_song(usable, config.seed, config.split_rng)?,
    };
    split.check_no_leak(usable)?;
    for warning in &split.warnings {
        session.progress.say(format!("warning: {warning}"));
    }
    let mut table = Vec::new();
    split.write_tsv(&mut table)?;
    session.write(&path(run), &table)
}

/// Reads the split of a run and checks that it leaks nothing.
pub(crate) fn read(usable: &Corpus, run: &Path) -> Result<Split> {
    let path = path(run);
    let file = File::open(&path).with_context(|| format!("cannot open `{}`", path.display()))?;
    let split = Split::read_tsv(BufReader::new(file))
        .with_context(|| format!("`{}` is no split that can be used", path.display()))?;
    split.check_no_leak(usable)?;
    Ok(split)
}
