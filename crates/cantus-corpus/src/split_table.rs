//! A split as a file, so that anybody can train on the same one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::error::{CorpusError, TableFault};
use crate::split::{Part, Split, SplitKind, SplitRng};
use crate::tsv::{Row, Table, write_row};

const COLUMNS: [&str; 5] = ["song", "part", "kind", "seed", "rng"];

/// A sixth column, of folds alone.
const FOLD: &str = "fold";

impl Split {
    /// Writes the split as tab-separated values, sorted by song id.
    ///
    /// The columns are `song` (its id), `part` (`train`, `validation` or `test`), and, the same in
    /// every row, `kind` (`song` or `album`), `seed` and `rng` (`cantus` or `original`); of a fold
    /// also `fold` (such as `2/4`). Ids with tabs, double quotes or line breaks stand in double
    /// quotes, those inside doubled, as pandas and DuckDB read them. The same split always gives
    /// the same bytes.
    ///
    /// # Errors
    ///
    /// [`CorpusError::Stream`] if the writer fails.
    pub fn write_tsv(&self, mut to: impl Write) -> Result<(), CorpusError> {
        let (kind, seed, rng) =
            (self.kind.to_string(), self.seed.to_string(), self.rng.to_string());
        let mut write = || -> io::Result<()> {
            let fold = self.fold.map(|fold| fold.to_string());
            write_row(
                &mut to,
                &COLUMNS.into_iter().chain(fold.as_ref().map(|_| FOLD)).collect::<Vec<_>>(),
            )?;
            for (song, part) in &self.parts {
                let part = part.to_string();
                let mut row = vec![song.as_str(), &part, &kind, &seed, &rng];
                row.extend(fold.as_deref());
                write_row(&mut to, &row)?;
            }
            to.flush()
        };
        write().map_err(|source| CorpusError::Stream {
            action: "write",
            table: "split table",
            source,
        })
    }

    /// Reads what [`Split::write_tsv`] wrote. The warnings are empty: see [`Split::review`].
    ///
    /// # Errors
    ///
    /// [`CorpusError::Stream`] if the reader fails, [`CorpusError::Table`] with the line if there
    /// is a fault in the table, such as a song in two rows.
    pub fn read_tsv(mut from: impl Read) -> Result<Self, CorpusError> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map_err(|source| CorpusError::Stream {
            action: "read",
            table: "split table",
            source,
        })?;
        parse("split table", &bytes)
    }

    /// The same from a file, whose path errors then name.
    ///
    /// # Errors
    ///
    /// [`CorpusError::Io`] if the file cannot be read; else as [`Split::read_tsv`].
    pub fn read_tsv_file(path: &Path) -> Result<Self, CorpusError> {
        let bytes = fs::read(path).map_err(|source| CorpusError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        parse(&path.display().to_string(), &bytes)
    }
}

fn parse(name: &str, bytes: &[u8]) -> Result<Split, CorpusError> {
    let mut table = Table::open(name, bytes, &COLUMNS)?;
    let Some(first) = table.next_row()? else {
        return Err(CorpusError::Table {
            table: name.to_owned(),
            line: 1,
            fault: TableFault::NoRows,
        });
    };
    let first = &first;
    let unknown = |table: &Table<'_>, row: &Row, column: &'static str, expected: &'static str| {
        let found = table.cell(row, column).to_owned();
        table.fault(row, TableFault::UnknownValue { column, found, expected })
    };
    let kind: SplitKind = table
        .cell(first, "kind")
        .parse()
        .map_err(|_| unknown(&table, first, "kind", "`song` or `album`"))?;
    let seed: u64 = table
        .cell(first, "seed")
        .parse()
        .map_err(|_| unknown(&table, first, "seed", "a whole number below 2^64"))?;
    let rng: SplitRng = table
        .cell(first, "rng")
        .parse()
        .map_err(|_| unknown(&table, first, "rng", "`cantus` or `original`"))?;
    let fold = match table.cell(first, FOLD) {
        "" => None,
        text => {
            Some(text.parse().map_err(|_| unknown(&table, first, FOLD, "a fold such as `2/4`"))?)
        }
    };

    let mut parts = BTreeMap::new();
    let mut next = Some(first.clone());
    while let Some(row) = &next {
        for column in ["kind", "seed", "rng", FOLD] {
            let (here, there) = (table.cell(row, column), table.cell(first, column));
            if here != there {
                let (first, found) = (there.to_owned(), here.to_owned());
                return Err(table.fault(row, TableFault::Disagrees { column, first, found }));
            }
        }
        let id = table.filled_cell(row, "song")?.to_owned();
        let part: Part = table
            .cell(row, "part")
            .parse()
            .map_err(|_| unknown(&table, row, "part", "`train`, `validation` or `test`"))?;
        match parts.entry(id) {
            Entry::Vacant(entry) => _ = entry.insert(part),
            Entry::Occupied(entry) => {
                let id = entry.key().clone();
                let first_line = line_of(name, bytes, &id)?;
                return Err(table.fault(row, TableFault::RepeatedSong { id, first_line }));
            }
        }
        next = table.next_row()?;
    }
    Ok(Split { kind, seed, rng, fold, parts, warnings: Vec::new() })
}

/// The line of the first row that names a song.
fn line_of(name: &str, bytes: &[u8], id: &str) -> Result<u64, CorpusError> {
    let mut table = Table::open(name, bytes, &COLUMNS)?;
    while let Some(row) = table.next_row()? {
        if table.cell(&row, "song") == id {
            return Ok(row.line);
        }
    }
    Ok(0)
}
