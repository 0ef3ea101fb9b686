//! The stage `scan`: which songs there are, by whom, and what their files hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use cantus_corpus::{
    Corpus, Problem, ProblemKind, Scan, ScanOptions, Song, TagRecord, manifest_lines,
};
use cantus_pipeline::{
    Fingerprint, Freshness, Input, ItemChanges, ItemTable, PipelineError, Reason, Stage,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::corpora::freemusic;
use crate::corpus_source::{CorpusSource, Selection};
use crate::digest::Digest;
use crate::session::{Session, SongProblem};
use crate::settings::{Config, Layout};

const FORMAT_VERSION: u32 = 2;

/// The input that sums up the contents of all songs.
const SONGS: &str = "songs";

/// The songs of a corpus with the hashes of their files.
pub(crate) struct Scanned {
    /// The songs that can be read, sorted by id.
    pub(crate) corpus: Corpus,
    /// BLAKE3 of each song's file, in the order of the songs.
    pub(crate) hashes: Vec<Digest>,
    /// The songs that cannot be read.
    pub(crate) unusable: Vec<SongProblem>,
    /// What is worth saying, but stops nothing.
    pub(crate) notices: Vec<String>,
}

impl Scanned {
    /// The songs with the hashes of their files.
    pub(crate) fn songs(&self) -> impl ExactSizeIterator<Item = (&Arc<Song>, Digest)> {
        self.corpus.songs.iter().zip(self.hashes.iter().copied())
    }

    /// Whether there is a song of this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.corpus.songs.binary_search_by(|song| song.id.as_str().cmp(id)).is_ok()
    }
}

/// Looks at the corpus: walks the folder (or reads the manifest), and hashes what changed.
/// Songs that cannot be read are left out and named.
pub(crate) fn scan(session: &Session, config: &Config, source: &CorpusSource) -> Result<Scanned> {
    let mut options = ScanOptions {
        extensions: cantus_audio::EXTENSIONS.iter().map(|&text| text.to_owned()).collect(),
        max_songs_per_artist: config.max_songs_per_artist,
        // Each is looked at before it is hashed, too; but a missing one must not take another's place.
        looks_for_files: config.max_songs_per_artist.is_some(),
        ..ScanOptions::default()
    };
    let mut unusable = Vec::new();
    let found = find_songs(session, config, source, &options, &mut unusable);
    let Scan { corpus, problems, notices, .. } =
        found.map_err(|error| match &source.fetch_command {
            Some(command) if !source.root.exists() => error.context(format!(
                "the corpus `{}` is not there yet\n\nhint: get it with `{command}`",
                source.name
            )),
            _ => error,
        })?;
    unusable.extend(problems.iter().map(named));
    let Corpus { root, songs, .. } = corpus;
    let Hashed { songs, hashes, lost } = hash_songs(session, &root, songs);
    if songs.is_empty() {
        // This tells more, where no file is there.
        options.looks_for_files = true;
        find_songs(session, config, source, &options, &mut unusable)?;
        bail!("no song of `{}` can be read", root.display());
    }
    unusable.extend(why_lost(source, &lost)?);
    let notices = notices.iter().map(ToString::to_string).collect();
    Ok(Scanned { corpus: Corpus::new(root, songs)?, hashes, unusable, notices })
}

fn find_songs(
    session: &Session,
    config: &Config,
    source: &CorpusSource,
    options: &ScanOptions,
    unusable: &mut Vec<SongProblem>,
) -> Result<Scan> {
    let scan = match (&source.selection, config.layout) {
        (Selection::Everything, Layout::Folders) => {
            cantus_corpus::scan_folders(&source.root, options)?
        }
        (Selection::Everything, Layout::Tags) => {
            let list = cantus_corpus::list_audio_files(&source.root, options)?;
            let records = read_tags(session, source, &list.files, unusable)?;
            let mut scan = cantus_corpus::from_tags(&source.root, records, options)?;
            scan.problems.extend(list.problems);
            scan.notices.extend(list.notices);
            scan
        }
        (Selection::Manifest(path), _) => {
            cantus_corpus::from_manifest(path, &source.root, options)?
        }
        (Selection::FreeMusic(profile), _) => {
            let manifest = freemusic::profile_manifest(freemusic::TABLE, *profile)?;
            cantus_corpus::from_manifest_text(&manifest, &source.root, options)?
        }
    };
    Ok(scan)
}

/// Songs by whether their files could be hashed.
struct Hashed {
    songs: Vec<Arc<Song>>,
    /// In the order of the songs.
    hashes: Vec<Digest>,
    /// The others, and why.
    lost: Vec<(Arc<Song>, PipelineError)>,
}

fn hash_songs(session: &Session, root: &Path, songs: Vec<Arc<Song>>) -> Hashed {
    let hashed: Vec<Result<Digest, Box<PipelineError>>> = songs
        .par_iter()
        .map(|song| {
            let hash = session.hashes.digest_of_file(root.join(song.path()));
            hash.map(Digest::from).map_err(Box::new)
        })
        .collect();
    let mut sorted = Hashed {
        songs: Vec::with_capacity(songs.len()),
        hashes: Vec::with_capacity(songs.len()),
        lost: Vec::new(),
    };
    for (song, hash) in songs.into_iter().zip(hashed) {
        match hash {
            Ok(hash) => {
                sorted.hashes.push(hash);
                sorted.songs.push(song);
            }
            Err(error) => sorted.lost.push((song, *error)),
        }
    }
    sorted
}

/// What to say of songs whose files could not be hashed: of those that a manifest names, what a look for
/// its files would have said.
fn why_lost(
    source: &CorpusSource,
    lost: &[(Arc<Song>, PipelineError)],
) -> Result<Vec<SongProblem>> {
    let ids: BTreeSet<&str> = lost.iter().map(|(song, _)| &*song.id).collect();
    let lines = match &source.selection {
        _ if ids.is_empty() => BTreeMap::new(),
        Selection::Everything => BTreeMap::new(),
        Selection::Manifest(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            manifest_lines(&text, &ids)?
        }
        Selection::FreeMusic(profile) => {
            let text = freemusic::profile_manifest(freemusic::TABLE, *profile)?;
            manifest_lines(&text, &ids)?
        }
    };
    let told = lost.iter().map(|(song, error)| {
        let path = song.path();
        let line = lines.get(&*song.id);
        let kind = line.and_then(|&line| ProblemKind::of_listed(&source.root.join(&path), line));
        match kind {
            Some(kind) => named(&Problem { path, kind }),
            None => SongProblem {
                song: song.id.clone(),
                reason: error.to_string(),
                hint: error.hint().map(Into::into),
            },
        }
    });
    Ok(told.collect())
}

/// What a scan could not use, in words.
fn named(problem: &Problem) -> SongProblem {
    SongProblem {
        song: problem.path.display().to_string(),
        reason: problem.kind.to_string(),
        hint: Some(problem.hint().to_owned()),
    }
}

/// The tags of one file, kept by the hash of its content so that it is opened once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct KnownTags {
    artist: Option<String>,
    album_artist: Option<String>,
    album: Option<String>,
    title: Option<String>,
}

fn read_tags(
    session: &Session,
    source: &CorpusSource,
    files: &[PathBuf],
    unusable: &mut Vec<SongProblem>,
) -> Result<Vec<TagRecord>> {
    let table = session.data.cache(&source.store).join("tags.json");
    let known: BTreeMap<String, KnownTags> = std::fs::read(&table)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let bar = session.progress.bar(files.len() as u64, "tags", "files");
    let read: Vec<_> = files
        .par_iter()
        .map(|path| {
            let record = tags_of(session, &source.root, path, &known);
            bar.inc(1);
            record
        })
        .collect();
    bar.finish_and_clear();
    let mut seen: BTreeMap<String, KnownTags> = BTreeMap::new();
    let mut records = Vec::new();
    for (path, record) in files.iter().zip(read) {
        match record {
            Ok((hash, tags)) => {
                seen.insert(hash, tags.clone());
                records.push(TagRecord {
                    path: path.clone(),
                    artist: tags.artist,
                    album_artist: tags.album_artist,
                    album: tags.album,
                    title: tags.title,
                });
            }
            Err(song) => unusable.push(song),
        }
    }
    if session.may_write() {
        let bytes = serde_json::to_vec(&seen).context("cannot write the table of tags")?;
        session.write(&table, &bytes)?;
    }
    Ok(records)
}

fn tags_of(
    session: &Session,
    root: &Path,
    path: &Path,
    known: &BTreeMap<String, KnownTags>,
) -> Result<(String, KnownTags), SongProblem> {
    let full = root.join(path);
    let unusable = |reason: String, hint: Option<String>| SongProblem {
        song: path.display().to_string(),
        reason,
        hint,
    };
    let hash = session
        .hashes
        .hash_file(&full)
        .map_err(|error| unusable(error.to_string(), error.hint().map(Into::into)))?;
    if let Some(tags) = known.get(&hash) {
        return Ok((hash, tags.clone()));
    }
    let probe = cantus_audio::probe_path(&full, &cantus_audio::Limits::default())
        .map_err(|error| unusable(error.to_string(), error.hint()))?;
    let tags = KnownTags {
        artist: probe.tags.artist,
        album_artist: probe.tags.album_artist,
        album: probe.tags.album,
        title: probe.tags.title,
    };
    Ok((hash, tags))
}

/// Where the table of the last scan stands.
fn table_path(session: &Session, source: &CorpusSource) -> PathBuf {
    session.data.cache(&source.store).join("scan").join(format!("{}.json", source.name))
}

fn fingerprint_path(session: &Session, source: &CorpusSource) -> PathBuf {
    table_path(session, source).with_extension("fingerprint.json")
}

fn item_table(scanned: &Scanned) -> ItemTable {
    let mut table = ItemTable::default();
    for (song, hash) in scanned.songs() {
        table.insert(song.id.clone(), hash.to_string());
    }
    table
}

/// Whether the corpus is as it was at the last scan.
pub(crate) fn freshness(
    session: &Session,
    config: &Config,
    source: &CorpusSource,
    scanned: &Scanned,
) -> Result<(Stage, Freshness)> {
    let stage = Stage::new("scan").output(table_path(session, source));
    let saved = Fingerprint::load(fingerprint_path(session, source))?;
    let freshness = stage.check(&saved, &wanted(config, scanned)?, false);
    let mut reasons = Vec::new();
    for reason in freshness.reasons() {
        match reason {
            Reason::InputChanged { name, .. } if name == SONGS => {
                let before = ItemTable::load(table_path(session, source))?;
                reasons.extend(changes(&before, &item_table(scanned)));
            }
            other => reasons.push(other.clone()),
        }
    }
    Ok((stage, Freshness::from_reasons(reasons)))
}

/// The songs that changed, one by one.
fn changes(before: &ItemTable, now: &ItemTable) -> Vec<Reason> {
    let name = |id: &String| format!("song {id}");
    let input = |table: &ItemTable, id: &str| Input {
        digest: table.get(id).unwrap_or_default().to_owned(),
        count: None,
    };
    let ItemChanges { added, removed, changed } = now.changes_since(before);
    let changed = changed.iter().map(|id| Reason::InputChanged {
        name: name(id),
        old: input(before, id),
        new: input(now, id),
    });
    let added = added.iter().map(|id| Reason::InputAdded { name: name(id), new: input(now, id) });
    let removed =
        removed.iter().map(|id| Reason::InputRemoved { name: name(id), old: input(before, id) });
    changed.chain(added).chain(removed).collect()
}

fn wanted(config: &Config, scanned: &Scanned) -> Result<Fingerprint> {
    let songs = scanned.songs().map(|(song, hash)| (&song.id, hash));
    let names = scanned.corpus.songs.iter().map(|song| {
        let Song { id, artist, album, title, .. } = &**song;
        (id, format!("{artist}\t{album}\t{title}"))
    });
    let (songs, labels) =
        rayon::join(|| Input::of_items_in_order(songs), || Input::of_items_in_order(names));
    Ok(Fingerprint::builder("scan", FORMAT_VERSION)
        .setting("layout", serde_json::to_string(&config.layout)?)
        .input_summed(SONGS, songs)
        .input_summed("labels", labels)
        .build())
}

/// Saves the scan, for the next look at what changed.
pub(crate) fn save(
    session: &Session,
    config: &Config,
    source: &CorpusSource,
    scanned: &Scanned,
) -> Result<()> {
    let table = table_path(session, source);
    item_table(scanned).save(&table)?;
    let folder = table.parent().unwrap_or(&table);
    wanted(config, scanned)?.sealing(folder, [&table])?.save(fingerprint_path(session, source))?;
    Ok(())
}
