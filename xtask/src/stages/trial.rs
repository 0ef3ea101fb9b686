//! One trial: its stages in order, what of them is stale, and running just that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cantus_corpus::{Corpus, Song, Split, shuffled_labels};
use cantus_eval::PartCounts;
use cantus_pipeline::{Damage, Fingerprint, Freshness, Plan, Stage};
use rayon::prelude::*;

use crate::corpus_source::{CorpusSource, Selection};
use crate::digest::Digest;
use crate::errors::bad_usage;
use crate::outcome::Outcome;
use crate::session::{Session, SongProblem};
use crate::settings::{Config, Layout};
use crate::stages::preprocess::{Store, UsableSong};
use crate::stages::scan::{self, Scanned};
use crate::stages::timing::{self, Part, Timing};
use crate::stages::{baseline, clips, duplicates, evaluate, map, report, split, train};
use crate::weights;

/// The stages in the order they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StageName {
    /// Songs to spectrograms.
    Preprocess,
    /// Songs that hold the same recording.
    Duplicates,
    /// Songs to parts.
    Split,
    /// Clips to scores, by older methods.
    Baseline,
    /// Clips to weights.
    Train,
    /// Weights to scores.
    Evaluate,
    /// Clips to places on a plane.
    Map,
    /// Scores to a page.
    Report,
}

/// The stages of a run; those before are its corpus'.
const OF_A_RUN: [StageName; 6] = [
    StageName::Split,
    StageName::Baseline,
    StageName::Train,
    StageName::Evaluate,
    StageName::Map,
    StageName::Report,
];

/// One trial of one configuration.
pub(crate) struct Trial {
    /// What is computed.
    pub(crate) config: Config,
    /// The corpus.
    pub(crate) source: CorpusSource,
    /// The folder of the run.
    pub(crate) run: PathBuf,
}

/// Seconds that each stage took in this command; a fresh stage is not listed.
#[derive(Debug, Default)]
pub(crate) struct StageSeconds(pub Vec<(&'static str, f64)>);

/// How bringing a trial up to date ended.
pub(crate) struct TrialOutcome {
    /// Done or interrupted.
    pub(crate) outcome: Outcome,
    /// Which stages ran, and for how long.
    pub(crate) seconds: StageSeconds,
    /// The songs that the trial cannot use.
    pub(crate) unusable: Vec<SongProblem>,
    /// The songs that it uses as far as they can be decoded.
    pub(crate) damaged: Vec<SongProblem>,
}

/// What `preprocess` left of a corpus.
pub(crate) struct Stored {
    /// The folder of spectrograms.
    pub(crate) folder: PathBuf,
    /// Artists that have songs in it.
    pub(crate) artists: usize,
    /// Their albums.
    pub(crate) albums: usize,
    /// Songs with a spectrogram.
    pub(crate) songs: usize,
    /// Seconds of audio in them.
    pub(crate) seconds: f64,
}

/// What the stages after `preprocess` work on.
pub(crate) struct Songs<'a> {
    /// The spectrograms.
    pub(crate) store: &'a Store,
    /// The songs that have one, long enough for a clip.
    pub(crate) usable: Vec<UsableSong>,
    /// The same as a corpus.
    pub(crate) corpus: Corpus,
    /// Where the pairs of them and of all others that are alike are listed.
    pub(crate) near_duplicates: PathBuf,
    /// How many songs have a spectrogram, and no room in it for one clip.
    pub(crate) too_short: usize,
    /// The songs left out because another has the same sound.
    pub(crate) dropped: Vec<SongProblem>,
    /// The songs that this trial cannot use, sorted: unreadable, not decoded, or too short for its
    /// clips.
    pub(crate) unusable: Vec<SongProblem>,
    /// Of the usable songs, those that lost something, by id.
    pub(crate) damaged: Vec<SongProblem>,
    /// What the songs are or will be dealt to: see [`split::expected`].
    pub(crate) expected_split: OnceLock<Option<Split>>,
}

/// What of a trial is stale now, without anything run.
pub(crate) struct Outlook {
    /// The stages, each with what will happen to it and why.
    pub(crate) plan: Plan,
    /// Why these songs cannot be split, where all are decoded and that is known.
    pub(crate) refusal: Option<anyhow::Error>,
    /// The songs that cannot be used.
    pub(crate) unusable: Vec<SongProblem>,
    /// The songs that are used as far as they can be decoded.
    pub(crate) damaged: Vec<SongProblem>,
    /// The last whole epoch of an interrupted training that will be gone on with.
    pub(crate) resumes_after_epoch: Option<usize>,
}

impl Trial {
    /// The trial of a configuration.
    pub(crate) fn new(session: &Session, mut config: Config) -> Result<Self> {
        let source = CorpusSource::resolve(&config.corpus, &session.data)?;
        if config.layout == Layout::Tags && !matches!(source.selection, Selection::Everything) {
            return bad_usage(format!(
                "`--layout tags` says nothing about `{}`, whose songs are named by a table\n\n\
                 hint: leave the flag out, or give a folder of music as `--corpus`",
                config.corpus
            ));
        }
        // The saved configuration runs the trial again from wherever it is read.
        if let Some(corpus) = source.absolute() {
            corpus.clone_into(&mut config.corpus);
        }
        if let Some(from) = &config.from {
            let file = weights::named(from, &session.data)?;
            let file = file.canonicalize().with_context(|| format!("`{}`", file.display()))?;
            config.from = Some(file);
            train::check_first_weights(&config)?;
        }
        let run = session.data.run(&source.name, &config.run_name()?);
        Ok(Self { config, source, run })
    }

    /// Runs every stale stage up to and including `last`. `--force` runs `last` in any case.
    pub(crate) fn bring_up_to_date(
        &self,
        session: &Session,
        last: StageName,
    ) -> Result<TrialOutcome> {
        let mut seconds = StageSeconds::default();
        let force = |stage: StageName| session.force && stage == last;
        let started = Instant::now();
        let (scanned, mut store) = Store::open(session, &self.config, &self.source)?;
        let (_, freshness) = scan::freshness(session, &self.config, &self.source, &scanned)?;
        if !freshness.is_fresh() {
            scan::save(session, &self.config, &self.source, &scanned)?;
            seconds.0.push(("scan", started.elapsed().as_secs_f64()));
        }
        for notice in &scanned.notices {
            tracing::info!("{notice}");
        }

        if store.folder().exists() {
            store.save_index()?;
        }
        let force_preprocess = force(StageName::Preprocess);
        if !store.freshness(&scanned, force_preprocess).1.is_fresh() {
            let started = Instant::now();
            let outcome = store.run(session, &scanned, force_preprocess)?;
            seconds.0.push(("preprocess", started.elapsed().as_secs_f64()));
            if outcome == Outcome::Interrupted {
                if last > StageName::Preprocess {
                    let elapsed = started.elapsed().as_secs_f64();
                    let part = Timing::part("preprocess", Part::Interrupted, elapsed);
                    timing::append(&self.run, &part)?;
                }
                return Ok(interrupted_before_split(session, &store, &scanned, seconds));
            }
        }
        self.note_seconds(&seconds, last)?;
        if last > StageName::Preprocess {
            let all = store.usable(&scanned);
            let sounds = all.iter().map(|song| (song.song.id.as_str(), song.stored().sound_hash));
            let (_, wanted, freshness) =
                duplicates::check(&store, sounds, force(StageName::Duplicates))?;
            if !freshness.is_fresh() {
                let started = Instant::now();
                let outcome = duplicates::run(session, &store, &all, &wanted)?;
                let took = ("duplicates", started.elapsed().as_secs_f64());
                seconds.0.push(took);
                if outcome == Outcome::Interrupted {
                    return Ok(interrupted_before_split(session, &store, &scanned, seconds));
                }
                self.note_seconds(&StageSeconds(vec![took]), last)?;
            }
        }
        let mut songs = self.songs(session, &store, &scanned, last)?;
        if last >= StageName::Split {
            split::refuse_what_cannot_be(&self.config, &songs, &self.run)?;
        }
        for name in last.of_a_run() {
            let (stage, wanted, freshness) = self.check(session, name, &songs, force(name))?;
            if freshness.is_fresh() {
                continue;
            }
            self.check_inputs(&stage)?;
            let started = Instant::now();
            let fingerprint = fingerprint_path(&self.run, &stage.name);
            // From here until the stage is done its old outputs vouch for nothing.
            Fingerprint::invalidate(&fingerprint)?;
            let outcome = self.run_stage(session, name, &songs, &wanted, force(name))?;
            let elapsed = started.elapsed().as_secs_f64();
            seconds.0.push((name.as_str(), elapsed));
            if outcome == Outcome::Interrupted {
                let part = Timing::part(&stage.name, Part::Interrupted, elapsed);
                timing::append(&self.run, &part)?;
                let Songs { unusable, damaged, .. } = songs;
                return Ok(TrialOutcome { outcome, seconds, unusable, damaged });
            }
            timing::append(&self.run, &Timing::whole(&stage.name, elapsed))?;
            // What they are may be known only now.
            let outputs = Self::stage(&self.run, name).outputs;
            wanted.sealing(&self.run, &outputs)?.save(&fingerprint)?;
            if name == StageName::Split {
                songs.expected_split.take();
            }
        }
        let Songs { unusable, damaged, .. } = songs;
        Ok(TrialOutcome { outcome: Outcome::Done, seconds, unusable, damaged })
    }

    /// Refuses to build on what is not as the stages before made it: their files may have rotted since,
    /// with size and times as they were. Spectrograms are checked as they are read.
    fn check_inputs(&self, stage: &Stage) -> Result<()> {
        for before in &stage.upstream {
            let saved = Fingerprint::load(fingerprint_path(&self.run, before))?;
            let Some(saved) = saved.fingerprint() else { continue };
            let damaged = saved.damaged_outputs(&self.run)?.unwrap_or_default();
            if let Some(Damage { path, kind, .. }) = damaged.first() {
                bail!(
                    "`{}` is damaged, it is not as it was made: {kind}\n\n\
                     hint: `cargo xtask verify --repair` makes anew what is damaged",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// What the corpus' stages took belongs to the run that they were made for, too.
    fn note_seconds(&self, corpus: &StageSeconds, last: StageName) -> Result<()> {
        if last < StageName::Split {
            return Ok(());
        }
        for (stage, seconds) in &corpus.0 {
            timing::append(&self.run, &Timing::whole(stage, *seconds))?;
        }
        Ok(())
    }

    fn run_stage(
        &self,
        session: &Session,
        name: StageName,
        songs: &Songs<'_>,
        wanted: &Fingerprint,
        force: bool,
    ) -> Result<Outcome> {
        let (config, run) = (&self.config, self.run.as_path());
        match name {
            StageName::Preprocess | StageName::Duplicates => Ok(Outcome::Done),
            StageName::Split => {
                session.write(&split::config_path(run), config.to_toml()?.as_bytes())?;
                split::run(session, config, songs, run).map(|()| Outcome::Done)
            }
            StageName::Train => train::run(session, config, songs, run, wanted, force),
            StageName::Evaluate => evaluate::run(session, config, songs, run),
            StageName::Baseline => baseline::run(session, config, songs, run),
            StageName::Map => map::run(session, config, songs, run),
            StageName::Report => report::run(session, self, songs).map(|()| Outcome::Done),
        }
    }

    /// A stage of a run, with its outputs.
    fn stage(run: &Path, name: StageName) -> Stage {
        match name {
            StageName::Preprocess | StageName::Duplicates | StageName::Split => split::stage(run),
            StageName::Train => train::stage(run),
            StageName::Evaluate => evaluate::stage(run),
            StageName::Baseline => baseline::stage(run),
            StageName::Map => map::stage(run),
            StageName::Report => report::stage(run),
        }
    }

    /// A stage, what it should be made of, and whether it is.
    fn check(
        &self,
        session: &Session,
        name: StageName,
        songs: &Songs<'_>,
        force: bool,
    ) -> Result<(Stage, Fingerprint, Freshness)> {
        let (config, run) = (&self.config, self.run.as_path());
        let stage = Self::stage(run, name);
        let wanted = match name {
            StageName::Preprocess | StageName::Duplicates | StageName::Split => {
                split::wanted(config, &songs.corpus)
            }
            StageName::Train => train::wanted(session, config, songs, run)?,
            StageName::Evaluate => evaluate::wanted(session, config, songs, run)?,
            StageName::Baseline => baseline::wanted(config, songs, run),
            StageName::Map => map::wanted(session, config, songs, run)?,
            StageName::Report => report::wanted(session, songs, run)?,
        };
        let saved = Fingerprint::load(fingerprint_path(run, &stage.name))?;
        let freshness = stage.check(&saved, &wanted, force);
        Ok((stage, wanted, freshness))
    }

    /// What the stages after `preprocess` work on. The session remembers what is unusable: this is
    /// looked up each time, so that a command says the same whether or not a stage had to run.
    fn songs<'a>(
        &self,
        session: &Session,
        store: &'a Store,
        scanned: &Scanned,
        last: StageName,
    ) -> Result<Songs<'a>> {
        let mut usable = store.usable(scanned);
        let near_duplicates = duplicates::path(store, usable.iter().map(|usable| &*usable.song.id));
        let mut dropped = Vec::new();
        let mut unusable = [scanned.unusable.clone(), store.failures(scanned)].concat();
        let mut too_short = 0;
        if last >= StageName::Split {
            // Left out before the split: in it they would take places that no clip fills.
            let short = clips::too_short(&usable, &self.config);
            usable.retain(|usable| clips::is_long_enough(usable, &self.config));
            too_short = short.len();
            unusable.extend(short);
        }
        unusable.sort();
        for song in &unusable {
            session.add_unusable(song.clone());
        }
        let damaged: Vec<SongProblem> = damaged(&usable).collect();
        for song in &damaged {
            session.add_damaged(song.clone());
        }
        let corpus = corpus_of(&usable, scanned);
        // Of songs that are not decoded yet nobody can be chosen.
        let corpus = if last >= StageName::Split && !corpus.songs.is_empty() {
            self.chosen(corpus, &mut usable, &mut dropped)?
        } else {
            corpus
        };
        if self.config.shuffle_labels {
            let labels = shuffled_labels(&corpus, self.config.seed);
            for usable in &mut usable {
                usable.taken_for = labels
                    .get(&usable.song.id)
                    .map(|label| Song { artist: label.clone(), ..(*usable.song).clone() }.into());
            }
        }
        Ok(Songs {
            store,
            usable,
            corpus,
            near_duplicates,
            too_short,
            dropped,
            unusable,
            damaged,
            expected_split: OnceLock::new(),
        })
    }

    /// What the settings take of the corpus: some artists, each sound once, so many seconds of each
    /// artist.
    fn chosen(
        &self,
        mut corpus: Corpus,
        usable: &mut Vec<UsableSong>,
        dropped: &mut Vec<SongProblem>,
    ) -> Result<Corpus> {
        if let Some(artists) = &self.config.artists {
            let chosen = artists.of(&corpus, self.config.seed)?;
            usable.retain(|usable| chosen.contains(&usable.song.artist));
        }
        if self.config.drop_duplicates {
            *dropped = drop_duplicates(usable);
        }
        if usable.len() < corpus.songs.len() {
            corpus.songs = usable.iter().map(|usable| Arc::clone(&usable.song)).collect();
        }
        if let Some(cap) = self.config.max_seconds_per_artist {
            let seconds = usable
                .iter()
                .map(|usable| (usable.song.id.clone(), usable.stored().seconds))
                .collect();
            corpus.cap_seconds_per_artist(cap, &seconds)?;
            let is_kept = |usable: &UsableSong| {
                corpus.songs.binary_search_by(|song| song.id.cmp(&usable.song.id)).is_ok()
            };
            usable.retain(is_kept);
        }
        Ok(corpus)
    }

    /// The songs that the trial uses.
    pub(crate) fn usable(&self, session: &Session) -> Result<Vec<UsableSong>> {
        Ok(self.spectrograms(session)?.1)
    }

    /// The spectrograms, and the songs of them that the trial uses.
    pub(crate) fn spectrograms(&self, session: &Session) -> Result<(Store, Vec<UsableSong>)> {
        let (scanned, store) = Store::open(session, &self.config, &self.source)?;
        let usable = self.songs(session, &store, &scanned, StageName::Split)?.usable;
        Ok((store, usable))
    }

    /// What is stored of the corpus now.
    pub(crate) fn stored(&self, session: &Session) -> Result<Stored> {
        let (scanned, store) = Store::open(session, &self.config, &self.source)?;
        let usable = store.usable(&scanned);
        let artists = corpus_of(&usable, &scanned).summary();
        Ok(Stored {
            folder: store.folder().to_owned(),
            artists: artists.artists,
            albums: artists.albums,
            songs: usable.len(),
            seconds: usable.iter().map(|usable| usable.stored().seconds).sum(),
        })
    }

    /// What the parts of the split hold.
    pub(crate) fn parts(&self, session: &Session) -> Result<Vec<PartCounts>> {
        let (scanned, store) = Store::open(session, &self.config, &self.source)?;
        let songs = self.songs(session, &store, &scanned, StageName::Split)?;
        let split = split::read(&songs, &self.run)?;
        Ok(report::part_counts(&self.config, &songs, &split))
    }

    /// What is stale now, and why, without running anything.
    pub(crate) fn outlook(&self, session: &Session, last: StageName) -> Result<Outlook> {
        let (scanned, store) = Store::open(session, &self.config, &self.source)?;
        let force = |stage: StageName| session.force && stage == last;
        let preprocess = store.freshness(&scanned, force(StageName::Preprocess));
        let all_decoded = preprocess.1.is_fresh();
        let scan = scan::freshness(session, &self.config, &self.source, &scanned)?;
        let mut stages = vec![scan, preprocess];
        // Of a million songs each of these takes a while: they go side by side.
        let (duplicates, songs) = rayon::join(
            || {
                let check = || {
                    let stored = store.stored(&scanned);
                    let sounds = stored.iter().map(|(song, of)| (song.id.as_str(), of.sound_hash));
                    duplicates::check(&store, sounds, false)
                };
                (last > StageName::Preprocess).then(check).transpose()
            },
            || {
                let songs = self.songs(session, &store, &scanned, last)?;
                // What the songs will be is not known before all are decoded.
                let refusal = if all_decoded && last >= StageName::Split {
                    split::refuse_what_cannot_be(&self.config, &songs, &self.run).err()
                } else {
                    None
                };
                anyhow::Ok((songs, refusal))
            },
        );
        if let Some((stage, _, freshness)) = duplicates? {
            let known = if all_decoded { freshness } else { freshness.without_inputs() };
            stages.push((stage, known));
        }
        let (songs, refusal) = songs?;
        let names: Vec<StageName> = last.of_a_run().collect();
        if last > StageName::Split {
            // Before they ask for it side by side: all but one would only wait for it.
            split::expected(&self.config, &songs, &self.run);
        }
        let checked: Vec<(Stage, Fingerprint, Freshness)> = names
            .par_iter()
            .map(|&name| self.check(session, name, &songs, force(name)))
            .collect::<Result<_>>()?;
        let mut resumes_after_epoch = None;
        for (name, (stage, wanted, mut freshness)) in names.into_iter().zip(checked) {
            if !all_decoded {
                // What the songs will be is not known yet: that they are stale says it.
                freshness = freshness.without_inputs();
            }
            if name == StageName::Train && !freshness.is_fresh() && !force(name) {
                resumes_after_epoch = train::resumes_after_epoch(&self.run, &wanted)?;
            }
            stages.push((stage, freshness));
        }
        let Songs { unusable, damaged, usable, corpus, expected_split, .. } = songs;
        // Taking a million songs apart takes time, which nobody has to wait for; of a list of trials two may
        // be in memory meanwhile.
        rayon::spawn(move || drop((usable, corpus, expected_split, store, scanned)));
        let plan = Plan::explain(stages)?;
        Ok(Outlook { plan, refusal, unusable, damaged, resumes_after_epoch })
    }

    /// Of all other runs of this corpus, the one whose stage was made of most nearly the same:
    /// what a new run differs in.
    pub(crate) fn nearest_run(
        &self,
        session: &Session,
        name: StageName,
    ) -> Result<Option<(String, Freshness)>> {
        let (scanned, store) = Store::open(session, &self.config, &self.source)?;
        let songs = self.songs(session, &store, &scanned, name)?;
        let (stage, wanted, _) = self.check(session, name, &songs, false)?;
        let runs = self.run.parent().context("a run lies in the folder of its corpus")?;
        let Ok(entries) = std::fs::read_dir(runs) else { return Ok(None) };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        names.sort();
        let mut nearest: Option<(String, Freshness)> = None;
        for run in names.into_iter().filter(|run| *run != self.run) {
            let saved = Fingerprint::load(fingerprint_path(&run, &stage.name))?;
            if saved.fingerprint().is_none() {
                continue;
            }
            let freshness = saved.compare(&wanted);
            let is_nearer = nearest
                .as_ref()
                .is_none_or(|(_, best)| freshness.reasons().len() < best.reasons().len());
            if is_nearer {
                let run = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
                nearest = Some((run, freshness));
            }
        }
        Ok(nearest)
    }
}

impl StageName {
    /// The stages of a run that this one needs, in their order, and itself.
    pub(crate) fn of_a_run(self) -> impl Iterator<Item = Self> {
        OF_A_RUN.into_iter().filter(move |&name| {
            // Scores stand beside the older methods'; a training needs none.
            name <= self && !(self == Self::Train && name == Self::Baseline)
        })
    }

    /// What the stage's outputs in the folder of a run were made of.
    pub(crate) fn fingerprint_path(self, run: &Path) -> PathBuf {
        fingerprint_path(run, self.as_str())
    }

    /// The stage's name in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Preprocess => "preprocess",
            Self::Duplicates => "duplicates",
            Self::Split => "split",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Baseline => "baseline",
            Self::Map => "map",
            Self::Report => "report",
        }
    }
}

/// How a command ended that was stopped while it was at the corpus.
fn interrupted_before_split(
    session: &Session,
    store: &Store,
    scanned: &Scanned,
    seconds: StageSeconds,
) -> TrialOutcome {
    for song in [scanned.unusable.clone(), store.failures(scanned)].concat() {
        session.add_unusable(song);
    }
    for song in damaged(&store.usable(scanned)) {
        session.add_damaged(song);
    }
    let (unusable, damaged) = (session.unusable(), session.damaged());
    TrialOutcome { outcome: Outcome::Interrupted, seconds, unusable, damaged }
}

/// The songs that are used as far as they can be decoded.
fn damaged(usable: &[UsableSong]) -> impl Iterator<Item = SongProblem> {
    let damaged = usable.iter().filter(|usable| !usable.stored().damage.is_empty());
    damaged.map(|usable| SongProblem {
        song: usable.song.id.clone(),
        reason: usable.stored().damage.to_string(),
        hint: Some("put a whole copy in its place, and the same command takes it".to_owned()),
    })
}

/// Takes out all but the first of the songs with the same sound, and says which.
fn drop_duplicates(usable: &mut Vec<UsableSong>) -> Vec<SongProblem> {
    let mut first_of: BTreeMap<Digest, String> = BTreeMap::new();
    let mut dropped = Vec::new();
    usable.retain(|usable| {
        let id = &usable.song.id;
        let first = first_of.entry(usable.stored().sound_hash).or_insert_with(|| id.clone());
        if first != id {
            let reason = format!("has the same sound as `{first}`");
            dropped.push(SongProblem { song: id.clone(), reason, hint: None });
        }
        first == id
    });
    dropped
}

/// Songs with a spectrogram as a corpus.
fn corpus_of(usable: &[UsableSong], scanned: &Scanned) -> Corpus {
    // In order of their ids, as the scanned ones are.
    let songs = usable.iter().map(|usable| Arc::clone(&usable.song)).collect();
    Corpus { root: scanned.corpus.root.clone(), songs }
}

fn fingerprint_path(run: &Path, stage: &str) -> PathBuf {
    run.join("fingerprints").join(format!("{stage}.json"))
}
