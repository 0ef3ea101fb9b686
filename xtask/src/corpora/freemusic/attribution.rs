//! Who made the music, and under which licence: `data/corpora/ATTRIBUTION.md`, out of the table.
//! The page is committed, and a copy goes with the music.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Table, Track};

const INTRODUCTION: &str = "\
# Attribution of freemusic20

The recordings that `cargo xtask fetch freemusic-small`, `freemusic-albums` and `freemusic-all` get,
by artist. None of them is part of this repository: each is unpacked from the Debian package named
beside it, whose file `/usr/share/doc/PACKAGE/copyright` has the full notices. This page is made of
`freemusic20.tsv`; a test keeps the two equal.
";

/// What the licences are called in full, and where their texts are.
const LICENSES: [(&str, &str, &str); 7] = [
    ("BSD-2-Clause", "BSD 2-Clause License", "https://opensource.org/license/bsd-2-clause"),
    (
        "CC-BY-3.0",
        "Creative Commons Attribution 3.0",
        "https://creativecommons.org/licenses/by/3.0/",
    ),
    (
        "CC-BY-SA-3.0",
        "Creative Commons Attribution-ShareAlike 3.0",
        "https://creativecommons.org/licenses/by-sa/3.0/",
    ),
    (
        "GPL-2",
        "GNU General Public License, version 2",
        "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
    ),
    (
        "GPL-2+",
        "GNU General Public License, version 2 or later",
        "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
    ),
    ("GPL-3", "GNU General Public License, version 3", "https://www.gnu.org/licenses/gpl-3.0.html"),
    (
        "GPL-3+",
        "GNU General Public License, version 3 or later",
        "https://www.gnu.org/licenses/gpl-3.0.html",
    ),
];

/// The page of attribution for a table, in Markdown.
pub(super) fn attribution(table: &Table) -> String {
    let mut artists: BTreeMap<(String, &str), Vec<&Track>> = BTreeMap::new();
    for track in &table.tracks {
        artists.entry((track.artist.to_lowercase(), &track.artist)).or_default().push(track);
    }
    let mut lines = vec![INTRODUCTION.to_owned()];
    for ((_, artist), mut tracks) in artists {
        tracks.sort_by_key(|track| (&track.album, &track.title));
        lines.push(format!("## {}\n", escaped(artist)));
        lines.push("| album | title | licence | package |\n|---|---|---|---|".to_owned());
        lines.extend(tracks.into_iter().map(line_of));
        lines.push(String::new());
    }
    lines.push("## Licences\n\n| short | licence |\n|---|---|".to_owned());
    for short in licenses(table) {
        lines.push(match LICENSES.iter().find(|(known, ..)| *known == short) {
            Some((_, name, link)) => format!("| {short} | [{name}]({link}) |"),
            None => format!("| {} | as its package says |", escaped(short)),
        });
    }
    lines.push("\n## Packages\n\n| package | version |\n|---|---|".to_owned());
    let packages = table.packages.values();
    lines.extend(packages.map(|package| format!("| {} | {} |", package.name, package.version)));
    lines.push(String::new());
    lines.join("\n")
}

fn line_of(track: &Track) -> String {
    let cells = [&track.album, &track.title, &track.license, &track.package];
    format!("| {} |", cells.map(|cell| escaped(cell)).join(" | "))
}

/// The single licences of the table; a track may have a choice of two.
fn licenses(table: &Table) -> BTreeSet<&str> {
    table.tracks.iter().flat_map(|track| track.license.split(" or ")).collect()
}

/// Text that Markdown shows as it is, in a table too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\|*`[]<>".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::TABLE;
    use super::*;

    #[test]
    fn the_committed_page_is_the_one_made_of_the_committed_table() {
        let path = Path::new(TABLE).with_file_name("ATTRIBUTION.md");
        let page = attribution(&Table::read(TABLE.as_ref()).unwrap());
        if std::env::var_os("CANTUS_WRITE_ATTRIBUTION").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(
            committed == page,
            "{} is out of date: write it anew by running this test with the environment variable \
             CANTUS_WRITE_ATTRIBUTION set",
            path.display()
        );
    }

    #[test]
    fn every_track_has_its_line() {
        let table = Table::read(TABLE.as_ref()).unwrap();
        let page = attribution(&table);
        for track in &table.tracks {
            let line = line_of(track);
            assert!(page.lines().any(|other| other == line), "{line}");
        }
    }

    #[test]
    fn every_licence_has_its_name_and_text() {
        let table = Table::read(TABLE.as_ref()).unwrap();
        let known: BTreeSet<&str> = LICENSES.iter().map(|(short, ..)| *short).collect();
        assert_eq!(licenses(&table), known);
    }

    #[test]
    fn what_markdown_would_read_as_marks_is_escaped() {
        assert_eq!(escaped("a|b *c* [d] <e>"), r"a\|b \*c\* \[d\] \<e\>");
    }
}
