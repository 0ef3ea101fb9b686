//! Labels from a table that somebody wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::corpus::{Corpus, Song};
use crate::error::{CorpusError, TableFault, counted};
use crate::escape::{escape_name, path_of_song_id, song_id};
use crate::file_list::FileList;
use crate::problem::{Problem, ProblemKind};
use crate::scan::{Scan, ScanOptions};
use crate::tags::below_root;
use crate::tsv::{Row, Table, write_row};

const COLUMNS: [&str; 4] = ["path", "artist", "album", "title"];

/// Rows whose files are looked at by all threads at once: few enough to take little room.
const ROWS_AT_ONCE: usize = 8_192;

/// Reads a corpus from a table of tab-separated values with the columns `path`, `artist`, `album`
/// and `title`.
///
/// - The first row names the columns, in any order; more columns are allowed and ignored. Lines
///   that start with `#` are comments. A cell may stand in double quotes, those inside doubled.
/// - `path` starts at the root, its folders parted by `/`, written as [`song_id`] writes ids.
/// - `artist` and `album` must not be empty; an empty `title` becomes the file's name.
/// - A song whose file is not there is skipped and listed, unless
///   [`ScanOptions::looks_for_files`] says no. Extensions are not looked at.
///
/// # Errors
///
/// [`CorpusError::Io`] if the table cannot be read, [`CorpusError::Table`] with the line if there
/// is a fault in it (of songs that are there twice, the one that comes first by its id), [`CorpusError::RootMissing`] and [`CorpusError::RootNotAFolder`],
/// [`CorpusError::NoArtist`] if none of its songs is there, where they are looked for, [`CorpusError::CapOfZero`].
pub fn from_manifest(
    manifest: &Path,
    root: &Path,
    options: &ScanOptions,
) -> Result<Scan, CorpusError> {
    let unreadable = |source| CorpusError::Io { action: "read", path: manifest.to_owned(), source };
    let bytes = fs::read(manifest).map_err(unreadable)?;
    read(&manifest.display().to_string(), &bytes, root, options)
}

/// The same from a manifest in memory, which errors call `the manifest`.
///
/// # Errors
///
/// Those of [`from_manifest`] but [`CorpusError::Io`].
pub fn from_manifest_text(
    manifest: &str,
    root: &Path,
    options: &ScanOptions,
) -> Result<Scan, CorpusError> {
    read("the manifest", manifest.as_bytes(), root, options)
}

fn read(name: &str, bytes: &[u8], root: &Path, options: &ScanOptions) -> Result<Scan, CorpusError> {
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(CorpusError::RootNotAFolder { path: root.to_owned() }),
        Err(_) => return Err(CorpusError::RootMissing { path: root.to_owned() }),
    }
    let mut table = Table::open(name, bytes, &COLUMNS)?;
    let mut songs = Vec::new();
    let mut list = FileList::empty(root);
    let mut lost: BTreeMap<String, u64> = BTreeMap::new();
    let mut rows_read = 0;
    loop {
        let rows = table.next_rows(ROWS_AT_ONCE)?;
        if rows.is_empty() {
            break;
        }
        rows_read += rows.len();
        // In the order of the rows, whichever thread looked at their files.
        let looked: Vec<Result<Found, CorpusError>> =
            rows.par_iter().map(|row| look_for(&table, row, root, options)).collect();
        for (row, found) in rows.iter().zip(looked) {
            match found? {
                Found::Song(song) => songs.push(song),
                Found::Trouble(problem) => {
                    let id = song_id(&problem.path);
                    if let Some(first_line) = lost.insert(id.clone(), row.line) {
                        return Err(table.fault(row, TableFault::RepeatedSong { id, first_line }));
                    }
                    list.problems.push(problem);
                }
            }
        }
    }
    if songs.is_empty() {
        list.problems.sort_unstable();
        let hint = match list.problems.first() {
            Some(problem) => format!("{problem}; {}", problem.hint()),
            None => "fill the table, one song a row".to_owned(),
        };
        return Err(CorpusError::NoArtist {
            path: root.to_owned(),
            expected: format!("songs that {name} names"),
            found: format!("{}, none of whose files can be used", counted(rows_read, "row")),
            hint,
        });
    }
    Scan::new(list, songs, options).map_err(|error| match error {
        CorpusError::RepeatedSong { id } => {
            repeated(name, bytes, &id).unwrap_or_else(|error| error)
        }
        error => error,
    })
}

/// What a row names.
enum Found {
    Song(Arc<Song>),
    Trouble(Problem),
}

fn look_for(
    table: &Table<'_>,
    row: &Row,
    root: &Path,
    options: &ScanOptions,
) -> Result<Found, CorpusError> {
    let text = table.filled_cell(row, "path")?;
    let artist = table.filled_cell(row, "artist")?.to_owned();
    let album = table.filled_cell(row, "album")?.to_owned();
    let Some(path) = path_named(text) else {
        return Err(table.fault(row, TableFault::PathOutside { path: text.to_owned() }));
    };
    if options.looks_for_files
        && let Some(kind) = ProblemKind::of_listed(&root.join(&path), row.line)
    {
        return Ok(Found::Trouble(Problem { path, kind }));
    }
    let title = match table.cell(row, "title") {
        "" => path.file_stem().map(escape_name).unwrap_or_default(),
        title => title.to_owned(),
    };
    Ok(Found::Song(Arc::new(Song { id: song_id(&path), artist, album, title })))
}

/// The lines, from 1, in which a manifest's text names some songs by their ids.
///
/// # Errors
///
/// [`CorpusError::Table`] with the line if there is a fault in the table.
pub fn manifest_lines<'a>(
    manifest: &str,
    songs: &BTreeSet<&'a str>,
) -> Result<BTreeMap<&'a str, u64>, CorpusError> {
    let mut table = Table::open("the manifest", manifest.as_bytes(), &COLUMNS)?;
    let mut lines = BTreeMap::new();
    while let Some(row) = table.next_row()? {
        if let Some(path) = path_named(table.cell(&row, "path"))
            && let Some(id) = songs.get(&*song_id(&path))
        {
            lines.entry(*id).or_insert(row.line);
        }
    }
    Ok(lines)
}

fn path_named(text: &str) -> Option<PathBuf> {
    path_of_song_id(text).as_deref().and_then(below_root)
}

/// The error for a song that two rows name, which no row alone could tell: of the second of them.
fn repeated(name: &str, bytes: &[u8], id: &str) -> Result<CorpusError, CorpusError> {
    let mut table = Table::open(name, bytes, &COLUMNS)?;
    let mut first_line = None;
    while let Some(row) = table.next_row()? {
        let is_it = path_named(table.cell(&row, "path")).is_some_and(|path| song_id(&path) == id);
        match first_line {
            Some(first_line) if is_it => {
                let id = id.to_owned();
                return Ok(table.fault(&row, TableFault::RepeatedSong { id, first_line }));
            }
            None if is_it => first_line = Some(row.line),
            _ => {}
        }
    }
    Ok(CorpusError::RepeatedSong { id: id.to_owned() })
}

/// Writes a corpus as a table that [`from_manifest`] reads back to the same songs.
///
/// # Errors
///
/// [`CorpusError::Stream`] if the writer fails.
pub fn write_manifest(corpus: &Corpus, mut to: impl Write) -> Result<(), CorpusError> {
    let mut write = || -> io::Result<()> {
        write_row(&mut to, &COLUMNS)?;
        for song in &corpus.songs {
            write_row(&mut to, &[&song.id, &song.artist, &song.album, &song.title])?;
        }
        to.flush()
    };
    write().map_err(|source| CorpusError::Stream { action: "write", table: "manifest", source })
}
