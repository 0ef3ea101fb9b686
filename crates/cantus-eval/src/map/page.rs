//! The map as part of a page: a canvas to point at, zoom and pan, and a picture where no scripts run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::ClipMap;
use crate::error::EvalError;
use crate::label::{printable, shortened_at_start};
use crate::picture::palette::{Look, palette_css};
use crate::picture::{Placement, scatter_svg};
use crate::template::render;

/// Columns of a song's path that show when it is pointed at; of the rest the end says more.
const MOST_PATH_COLUMNS: usize = 72;
/// Units of an outline's radius, as the script knows them.
const OUTLINE_RADIUS: f64 = 10.0;

/// What a page with a map needs.
pub(crate) struct MapPage {
    /// The element with the map.
    pub(crate) html: String,
    pub(crate) style: String,
    pub(crate) script: &'static str,
}

impl MapPage {
    pub(crate) fn new(map: &ClipMap) -> Result<Self, EvalError> {
        let fallback = scatter_svg(
            &map.song_points(),
            map.labels(),
            "Songs by artist",
            "songs",
            Placement::Inline,
        )?;
        let context = context! {
            clips => map.clips().len(),
            songs => map.songs().len(),
            artists => Serde(artists(map)),
            data => data(map)?,
            fallback,
        };
        Ok(Self {
            html: render("a map", include_str!("../../templates/map.html"), context)?,
            style: palette_css("#map-view") + include_str!("../../templates/map.css"),
            script: include_str!("../../templates/map.js"),
        })
    }
}

/// An artist in the legend.
#[derive(Serialize)]
struct Artist<'a> {
    name: &'a str,
    hue: usize,
    outline: String,
    clips: usize,
    songs: usize,
}

fn artists(map: &ClipMap) -> Vec<Artist<'_>> {
    let mut artists: Vec<Artist<'_>> = map
        .labels()
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let Look { hue, marker } = Look::of(class);
            let outline = marker.outline(OUTLINE_RADIUS).at(0, 0);
            Artist { name, hue, outline, clips: 0, songs: 0 }
        })
        .collect();
    for (song, clips) in map.songs().iter().zip(map.clips_by_song()) {
        artists[song.class].songs += 1;
        artists[song.class].clips += clips.len();
    }
    artists
}

/// What the script reads, as JSON in which nothing is markup.
///
/// `names` are the artists', `songs` are path, artist and number of clips. `clipPlaces` and
/// `songPlaces` are pairs of 16 bits, from 0 to 65535 over the longer side of each map, and
/// `starts` the clips' seconds as 32-bit floats, song by song: little-endian in base64.
fn data(map: &ClipMap) -> Result<String, EvalError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        names: Vec<String>,
        songs: Vec<(String, usize, usize)>,
        clip_places: String,
        song_places: String,
        starts: String,
    }
    let song = |(song, clips): (&super::MapSong, &[super::MapClip])| {
        (shortened_at_start(&song.song_id, MOST_PATH_COLUMNS), song.class, clips.len())
    };
    let starts = map.clips().iter().flat_map(|clip| (clip.start_seconds as f32).to_le_bytes());
    let data = Data {
        names: map.labels().iter().map(|label| printable(label)).collect(),
        songs: map.songs().iter().zip(map.clips_by_song()).map(song).collect(),
        clip_places: places(&map.clips().iter().map(|clip| clip.position).collect::<Vec<_>>()),
        song_places: places(&map.songs().iter().map(|song| song.position).collect::<Vec<_>>()),
        starts: STANDARD.encode(starts.collect::<Vec<u8>>()),
    };
    let json = serde_json::to_string(&data)
        .map_err(|source| EvalError::Draw { what: "a map", source: source.into() })?;
    Ok(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

/// Positions as shares of the longer side, in the middle along the shorter one, y downwards.
fn places(positions: &[[f32; 2]]) -> String {
    let extent = |axis: usize| {
        positions.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), position| {
            let number = f64::from(position[axis]);
            (low.min(number), high.max(number))
        })
    };
    let extents = [extent(0), extent(1)];
    let span = extents.iter().fold(0.0, |span: f64, (low, high)| span.max(high - low));
    let span = if span > 0.0 { span } else { 1.0 };
    let share = |number: f32, axis: usize| {
        let (low, high) = extents[axis];
        0.5 + (f64::from(number) - f64::midpoint(low, high)) / span
    };
    let bytes: Vec<u8> = positions
        .iter()
        .flat_map(|position| [share(position[0], 0), 1.0 - share(position[1], 1)])
        .flat_map(|share| ((share * 65535.0).round() as u16).to_le_bytes())
        .collect();
    STANDARD.encode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_fill_the_longer_side_and_lie_in_the_middle_of_the_shorter() {
        // Two points, four apart in x and two in y: (0, 3/4 down) and (1, 1/4 down).
        let found = places(&[[-1.0, 5.0], [3.0, 7.0]]);
        let expected: Vec<u8> =
            [0_u16, 49151, 65535, 16384].iter().flat_map(|place| place.to_le_bytes()).collect();
        assert_eq!(found, STANDARD.encode(&expected));
    }
}
