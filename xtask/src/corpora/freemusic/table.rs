//! The table of tracks: what each is called, which package holds it, and what its sums are.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Profile;
use super::names::file_names_in_a_folder;
use super::sha256::Sha256Sum;

/// A track of the corpus.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) artist: String,
    pub(super) album: String,
    pub(super) title: String,
    pub(super) license: String,
    /// The name of the package that holds it.
    pub(super) package: String,
    pub(super) place: Place,
    pub(super) sum: Sha256Sum,
    pub(super) in_small: bool,
    pub(super) in_albums: bool,
    /// Where it goes under the corpus root, `/`-separated.
    pub(super) path: String,
}

/// Where in its package a track is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The path in the package, without a leading `./`.
    pub(super) file: String,
    /// The name inside, where that file is a zip archive.
    pub(super) inner: Option<String>,
}

/// A package file, told by its sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sum: Sha256Sum,
}

/// The whole table, checked.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) tracks: Vec<Track>,
    /// By name.
    pub(super) packages: BTreeMap<String, Package>,
}

#[derive(Debug, Deserialize)]
struct Row {
    artist: String,
    album: String,
    track: String,
    package: String,
    package_version: String,
    deb_sha256: String,
    path_in_package: String,
    track_sha256: String,
    codec: String,
    license: String,
    small: u8,
    albums_strict: u8,
}

impl Table {
    /// Reads a table from its file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or for the first row that makes no sense.
    pub(super) fn read(path: &Path) -> Result<Self> {
        std::fs::read(path)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Self::parse(&bytes))
            .with_context(|| format!("cannot use the table of tracks `{}`", path.display()))
    }

    /// Reads a table in memory.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(b'\t').quoting(false).from_reader(bytes);
        let mut table = Self { tracks: Vec::new(), packages: BTreeMap::new() };
        let mut extensions = Vec::new();
        for (index, row) in reader.deserialize().enumerate() {
            let row: Row = row?;
            // The header is line 1.
            let line = index + 2;
            extensions.push(table.add(row).with_context(|| format!("line {line}"))?);
        }
        table.give_paths(&extensions)?;
        Ok(table)
    }

    /// The tracks of a profile, in the table's order.
    pub(super) fn tracks_of(&self, profile: Profile) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(move |track| match profile {
            Profile::Small => track.in_small,
            Profile::Albums => track.in_albums,
            Profile::All => true,
        })
    }

    fn add(&mut self, row: Row) -> Result<&'static str> {
        for name in [&row.artist, &row.album, &row.track] {
            if name.trim().is_empty() {
                bail!("an artist, album or track without a name");
            }
        }
        let extension = match row.codec.as_str() {
            "vorbis" => "ogg",
            "opus" => "opus",
            other => bail!("unknown codec `{other}`; known are vorbis and opus"),
        };
        let package = Package {
            name: checked_word(row.package, "package name")?,
            version: checked_word(row.package_version, "package version")?,
            sum: row.deb_sha256.parse().context("column deb_sha256")?,
        };
        let known = self.packages.entry(package.name.clone()).or_insert_with(|| package.clone());
        if *known != package {
            bail!("package {} has another version or sum in an earlier row", package.name);
        }
        self.tracks.push(Track {
            artist: row.artist,
            album: row.album,
            title: row.track,
            license: row.license,
            package: package.name,
            place: Place::parse(&row.path_in_package)?,
            sum: row.track_sha256.parse().context("column track_sha256")?,
            in_small: row.small != 0,
            in_albums: row.albums_strict != 0,
            path: String::new(),
        });
        Ok(extension)
    }

    fn give_paths(&mut self, extensions: &[&str]) -> Result<()> {
        let artists = folder_names(self.tracks.iter().map(|track| track.artist.as_str()));
        let mut albums_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut tracks_of: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (index, track) in self.tracks.iter().enumerate() {
            albums_of.entry(&track.artist).or_default().push(&track.album);
            tracks_of.entry((&track.artist, &track.album)).or_default().push(index);
        }
        let albums: BTreeMap<&str, HashMap<&str, String>> = albums_of
            .into_iter()
            .map(|(artist, albums)| (artist, folder_names(albums.into_iter())))
            .collect();
        let mut paths = vec![String::new(); self.tracks.len()];
        for ((artist, album), indices) in &tracks_of {
            let things: Vec<(&str, Sha256Sum)> = indices
                .iter()
                .map(|&index| (self.tracks[index].title.as_str(), self.tracks[index].sum))
                .collect();
            let songs = file_names_in_a_folder(&things);
            for (&index, song) in indices.iter().zip(songs) {
                paths[index] = format!(
                    "{}/{}/{song}.{}",
                    artists[artist], albums[artist][album], extensions[index]
                );
            }
        }
        let mut owners = HashMap::new();
        for (index, (track, path)) in self.tracks.iter_mut().zip(paths).enumerate() {
            if let Some(other) = owners.insert(path.to_lowercase(), index) {
                bail!("lines {} and {} are the same song `{path}`", other + 2, index + 2);
            }
            track.path = path;
        }
        Ok(())
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let (file, inner) = match text.split_once('!') {
            Some((file, inner)) => (file, Some(inner)),
            None => (text, None),
        };
        for path in std::iter::once(file).chain(inner) {
            if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                bail!("`{text}` is not a plain path inside a package");
            }
        }
        Ok(Self { file: file.to_owned(), inner: inner.map(str::to_owned) })
    }
}

/// Folder names by original name; the names' own sums tell apart those that look alike.
fn folder_names<'a>(originals: impl Iterator<Item = &'a str>) -> HashMap<&'a str, String> {
    let mut distinct: Vec<&str> = originals.collect();
    distinct.sort_unstable();
    distinct.dedup();
    let things: Vec<(&str, Sha256Sum)> =
        distinct.iter().map(|&name| (name, Sha256Sum::of(name.as_bytes()))).collect();
    let names = file_names_in_a_folder(&things);
    distinct.into_iter().zip(names).collect()
}

/// Package names and versions become arguments of programs, so none may look like an option.
fn checked_word(text: String, what: &str) -> Result<String> {
    let starts_well = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    let known = |letter: char| letter.is_ascii_alphanumeric() || "+-.:~_".contains(letter);
    if !starts_well || !text.chars().all(known) || text.len() > 100 {
        bail!("`{text}` is not a {what}");
    }
    Ok(text)
}

impl Package {
    /// The beginnings that a file name of this package may have: an epoch (`1:`) is written as
    /// `1%3a`, as it is, or not at all, depending on who wrote the file.
    pub(super) fn file_name_prefixes(&self) -> [String; 3] {
        let without_epoch = self.version.split_once(':').map_or(&*self.version, |(_, rest)| rest);
        [
            format!("{}_{}_", self.name, self.version.replace(':', "%3a")),
            format!("{}_{}_", self.name, self.version),
            format!("{}_{without_epoch}_", self.name),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "artist\talbum\ttrack\tpackage\tpackage_version\tdeb_sha256\t\
        path_in_package\ttrack_sha256\tcodec\tlicense\tsmall\talbums_strict";

    fn row(edits: &[(usize, &str)]) -> String {
        let sum = "ab".repeat(32);
        let mut fields = [
            "Artist",
            "Album",
            "Song",
            "music",
            "1:2.0-1",
            &sum,
            "usr/share/a.ogg",
            &sum,
            "vorbis",
            "CC0",
            "1",
            "0",
        ];
        for &(index, text) in edits {
            fields[index] = text;
        }
        fields.join("\t")
    }

    fn parse(rows: &[String]) -> Result<Table> {
        Table::parse(format!("{HEADER}\n{}\n", rows.join("\n")).as_bytes())
    }

    fn error_of(rows: &[String]) -> String {
        format!("{:#}", parse(rows).unwrap_err())
    }

    #[test]
    fn a_row_becomes_a_track_with_a_path_of_its_names() {
        let table = parse(&[row(&[(0, "AC/DC"), (2, "Say \"hi\"")])]).unwrap();
        assert_eq!(table.tracks[0].path, "AC_DC/Album/Say _hi_.ogg");
        let opus = parse(&[row(&[(8, "opus")])]).unwrap();
        assert_eq!(opus.tracks[0].path, "Artist/Album/Song.opus");
    }

    #[test]
    fn songs_that_would_share_a_file_are_told_apart_by_their_sums() {
        let other = "cd".repeat(32);
        let table =
            parse(&[row(&[(2, "One?")]), row(&[(2, "one*"), (7, &other)]), row(&[(2, "Two")])]);
        let paths: Vec<String> =
            table.unwrap().tracks.into_iter().map(|track| track.path).collect();
        let expected = [
            "Artist/Album/One_-abababab.ogg",
            "Artist/Album/one_-cdcdcdcd.ogg",
            "Artist/Album/Two.ogg",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn one_song_twice_is_refused_with_both_lines() {
        let error = error_of(&[row(&[]), row(&[(2, "Other")]), row(&[])]);
        assert!(error.contains("lines 2 and 4"), "{error}");
    }

    #[test]
    fn albums_that_differ_only_in_what_file_names_cannot_hold_stay_two() {
        let table = parse(&[row(&[(1, "A:B")]), row(&[(1, "A/B")])]).unwrap();
        assert_ne!(table.tracks[0].path, table.tracks[1].path);
    }

    #[test]
    fn hostile_rows_are_refused_by_line() {
        for (column, text) in [
            (0, " "),
            (3, "-o"),
            (3, "a b"),
            (4, "--option"),
            (5, "abc"),
            (6, "/etc/passwd"),
            (6, "usr/../../x"),
            (6, "a.pk3!../x"),
            (7, "zz"),
            (8, "mp3"),
        ] {
            let error = error_of(&[row(&[]), row(&[(2, "Two"), (column, text)])]);
            assert!(error.contains("line 3"), "{text}: {error}");
        }
    }

    #[test]
    fn a_package_with_two_sums_is_refused() {
        let error = error_of(&[row(&[]), row(&[(2, "Two"), (5, &"cd".repeat(32))])]);
        assert!(error.contains("package music"), "{error}");
    }

    #[test]
    fn an_epoch_may_stand_in_a_file_name_in_three_ways() {
        let table = parse(&[row(&[])]).unwrap();
        let prefixes = table.packages["music"].file_name_prefixes();
        assert_eq!(prefixes, ["music_1%3a2.0-1_", "music_1:2.0-1_", "music_2.0-1_"]);
    }
}
