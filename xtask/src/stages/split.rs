//! The stage `split`: which songs train, which validate, which test.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use cantus_corpus::{Corpus, CorpusError, Split};
use cantus_pipeline::{Fingerprint, Stage};

use crate::session::{Session, count};
use crate::settings::Config;
use crate::stages::duplicates::NearDuplicates;
use crate::stages::trial::Songs;

/// Of `split.tsv`, and of the `config.toml` that is saved with it.
const FORMAT_VERSION: u32 = 2;

/// Songs or pairs of them that are named in a line each.
const MOST_PAIRS_TOLD: usize = 5;

/// The split of a run.
pub(crate) fn path(run: &Path) -> PathBuf {
    run.join("split.tsv")
}

/// The settings of a run, by which it runs again.
pub(crate) fn config_path(run: &Path) -> PathBuf {
    run.join("config.toml")
}

/// The stage with its outputs.
pub(crate) fn stage(run: &Path) -> Stage {
    Stage::new("split").after("preprocess").output(config_path(run)).output(path(run))
}

/// What the split is made of: the songs that have a spectrogram, and the seed.
pub(crate) fn wanted(config: &Config, usable: &Corpus) -> Fingerprint {
    let names =
        usable.songs.iter().map(|song| (&song.id, format!("{}\t{}", song.artist, song.album)));
    let mut builder = Fingerprint::builder("split", FORMAT_VERSION)
        .setting("split", config.split)
        .setting("seed", config.seed)
        .setting("split_rng", config.split_rng);
    if let Some(fold) = config.fold {
        builder = builder.setting("fold", fold);
    }
    builder.input_in_order("songs", names).build()
}

/// Deals the songs to the parts.
fn draw(config: &Config, usable: &Corpus) -> Result<Split, CorpusError> {
    match config.fold {
        Some(fold) => cantus_corpus::split_into_fold(usable, config.split, config.seed, fold),
        None => cantus_corpus::split(usable, config.split, config.seed, config.split_rng),
    }
}

/// Deals the songs to the parts and saves them beside the run.
pub(crate) fn run(session: &Session, config: &Config, songs: &Songs<'_>, run: &Path) -> Result<()> {
    let usable = &songs.corpus;
    let split = draw(config, usable)?;
    check_no_leak(&split, songs)?;
    for warning in warnings(&split, songs)? {
        session.progress.warn(warning);
    }
    for song in songs.dropped.iter().take(MOST_PAIRS_TOLD) {
        session.progress.say(format!("left out: {} {}", song.song, song.reason));
    }
    if songs.dropped.len() > MOST_PAIRS_TOLD {
        session.progress.say(format!("left out: {} more", songs.dropped.len() - MOST_PAIRS_TOLD));
    }
    let mut table = Vec::new();
    split.write_tsv(&mut table)?;
    session.write(&path(run), &table)
}

/// Refuses songs that cannot be split, unless they were.
pub(crate) fn refuse_what_cannot_be(config: &Config, songs: &Songs<'_>, run: &Path) -> Result<()> {
    if expected(config, songs, run).is_some() {
        return Ok(());
    }
    if songs.corpus.songs.is_empty() && songs.too_short > 0 {
        bail!(
            "no song is long enough for a clip of {}, and {} shorter\n\n\
             hint: take shorter clips with `--clip`",
            config.clip,
            count(songs.too_short, "song")
        );
    }
    draw(config, &songs.corpus)?;
    Ok(())
}

/// Refuses a split that does not fit the songs, or in which one recording stands in two parts.
fn check_no_leak(split: &Split, songs: &Songs<'_>) -> Result<()> {
    split.check_no_leak(&songs.corpus)?;
    let sounds =
        songs.usable.iter().map(|usable| (usable.song.id.as_str(), usable.stored().sound_hash));
    split.check_no_shared_content(sounds).map_err(|leak| {
        anyhow!(
            "{leak}\n\nhint: `--drop-duplicates` keeps the first song of each such group; or take \
             the others out of the corpus"
        )
    })
}

/// What somebody should know before they trust scores on this split.
pub(crate) fn warnings(split: &Split, songs: &Songs<'_>) -> Result<Vec<String>> {
    let mut warnings: Vec<String> =
        split.review(&songs.corpus).iter().map(ToString::to_string).collect();
    let near = NearDuplicates::read(&songs.near_duplicates)?;
    let across = split.near_duplicates_across(near.pairs());
    let told = across.iter().take(MOST_PAIRS_TOLD);
    warnings.extend(told.map(|(pair, parts)| near.describe(pair, *parts)));
    if across.len() > MOST_PAIRS_TOLD {
        warnings.push(format!(
            "{} more such pairs; all are in `{}`",
            across.len() - MOST_PAIRS_TOLD,
            songs.near_duplicates.display()
        ));
    }
    Ok(warnings)
}

/// Reads the split of a run and checks that it leaks nothing.
pub(crate) fn read(songs: &Songs<'_>, run: &Path) -> Result<Split> {
    let path = path(run);
    let split = Split::read_tsv_file(&path)?;
    check_no_leak(&split, songs)?;
    Ok(split)
}

/// The split of a run as it is saved or, before that, as it will be: what later stages are made
/// of. None where these songs cannot be split at all.
pub(crate) fn expected<'a>(config: &Config, songs: &'a Songs<'_>, run: &Path) -> Option<&'a Split> {
    // A saved one that does not fit is made again by its own stage, whose fingerprint differs then.
    let find = || read(songs, run).ok().or_else(|| draw(config, &songs.corpus).ok());
    songs.expected_split.get_or_init(find).as_ref()
}
