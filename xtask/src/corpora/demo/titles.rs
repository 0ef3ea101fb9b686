//! What the songs are called and where they stand. Names depend on the place alone, not the seed.

use std::path::{Path, PathBuf};

use super::SONGS;
use super::artist::{ALBUMS, ARTISTS};
use super::draws::Place;

const FIRST_WORDS: [&str; 16] = [
    "Paper",
    "Quiet",
    "Copper",
    "Seventh",
    "Borrowed",
    "Winter",
    "Velvet",
    "Northern",
    "Hollow",
    "Patient",
    "Silver",
    "Crooked",
    "Distant",
    "Early",
    "Painted",
    "Unhurried",
];
const SECOND_WORDS: [&str; 16] = [
    "Lanterns",
    "Harvest",
    "Machines",
    "Letters",
    "Rivers",
    "Staircase",
    "Comets",
    "Orchids",
    "Bridges",
    "Umbrellas",
    "Mirrors",
    "Compass",
    "Holiday",
    "Thunder",
    "Gardens",
    "Telegram",
];

/// A title that no other place has.
fn title(place: Place) -> String {
    let number = (place.artist * ALBUMS + place.album) * SONGS + place.song;
    // Along diagonals of the table of both words: neighbours share neither.
    let first = number % FIRST_WORDS.len();
    let second = (number + number / FIRST_WORDS.len()) % SECOND_WORDS.len();
    format!("{} {}", FIRST_WORDS[first], SECOND_WORDS[second])
}

/// Where a song stands under the corpus folder.
pub(super) fn path(destination: &Path, place: Place) -> PathBuf {
    let artist = &ARTISTS[place.artist];
    destination.join(artist.name).join(artist.albums[place.album]).join(format!(
        "{:02} {}.wav",
        place.song + 1,
        title(place)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{TOTAL_SONGS, place_of};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_song_has_a_title_of_its_own() {
        let titles: BTreeSet<String> =
            (0..TOTAL_SONGS).map(|number| title(place_of(number))).collect();
        assert_eq!(titles.len(), TOTAL_SONGS);
    }
}
