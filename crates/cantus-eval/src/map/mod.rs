//! Where the clips and songs of a corpus lie on a map.

mod page;
mod parquet;

use std::collections::HashMap;

pub(crate) use self::page::MapPage;
use crate::error::EvalError;
use crate::label::check_labels;
use crate::picture::MapPoint;

/// A song on a map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapSong {
    /// The song's id: its path under the corpus, `/`-separated.
    pub song_id: String,
    /// Index of its artist in the labels.
    pub class: usize,
    /// Where it lies: the mean of its clips ([`ClipMap::with_mean_songs`]), or a place on a map of
    /// songs, which has nothing to do with the places of clips.
    pub position: [f32; 2],
}

/// A clip on a map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapClip {
    /// Index of its song.
    pub song: usize,
    /// Where in the song it starts, in seconds.
    pub start_seconds: f64,
    /// Where it lies.
    pub position: [f32; 2],
    /// What the map was made of, such as the network's bottleneck; empty if that is not kept.
    pub features: Vec<f32>,
}

/// A checked map of clips and their songs.
///
/// Songs are sorted by id (bytes), clips by song, then start; the order in which they were given
/// changes nothing. Every song has an artist and a clip, every clip a song; all clips have as many
/// features, or none.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipMap {
    labels: Vec<String>,
    songs: Vec<MapSong>,
    clips: Vec<MapClip>,
}

impl ClipMap {
    /// Checks and sorts; `labels[class]` is an artist's name, `songs[clip.song]` a clip's song.
    ///
    /// # Errors
    ///
    /// Labels that are none, empty or repeated; [`EvalError::MapSong`] and [`EvalError::MapClip`]
    /// where a song or a clip breaks one of the rules of [`ClipMap`] or has numbers that are not
    /// finite.
    pub fn new(
        labels: Vec<String>,
        songs: Vec<MapSong>,
        mut clips: Vec<MapClip>,
    ) -> Result<Self, EvalError> {
        check_labels(&labels)?;
        check_clips(&clips, songs.len())?;
        check_songs(&songs, &clips, labels.len())?;

        let mut order: Vec<usize> = (0..songs.len()).collect();
        order.sort_by(|&a, &b| songs[a].song_id.cmp(&songs[b].song_id));
        let mut places = vec![0; songs.len()];
        for (place, &song) in order.iter().enumerate() {
            places[song] = place;
        }
        let mut songs: Vec<(usize, MapSong)> = places.iter().copied().zip(songs).collect();
        songs.sort_by_key(|&(place, _)| place);
        for clip in &mut clips {
            clip.song = places[clip.song];
        }
        clips.sort_by(|a, b| {
            let numbers = |clip: &MapClip| clip.position.map(f32::to_bits);
            a.song
                .cmp(&b.song)
                .then(a.start_seconds.total_cmp(&b.start_seconds))
                .then(numbers(a).cmp(&numbers(b)))
        });
        Ok(Self { labels, songs: songs.into_iter().map(|(_, song)| song).collect(), clips })
    }

    /// The same map with every song at the mean of its clips.
    #[must_use]
    pub fn with_mean_songs(mut self) -> Self {
        let means: Vec<[f32; 2]> = self
            .clips_by_song()
            .map(|clips| {
                [0, 1].map(|axis| {
                    let sum: f64 = clips.iter().map(|clip| f64::from(clip.position[axis])).sum();
                    (sum / clips.len() as f64) as f32
                })
            })
            .collect();
        for (song, mean) in self.songs.iter_mut().zip(means) {
            song.position = mean;
        }
        self
    }

    /// The artists' names.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// All songs, by id. Never empty.
    pub fn songs(&self) -> &[MapSong] {
        &self.songs
    }

    /// All clips, by song, then start. Never empty.
    pub fn clips(&self) -> &[MapClip] {
        &self.clips
    }

    /// The clips of each song, in the order of the songs.
    pub fn clips_by_song(&self) -> impl Iterator<Item = &[MapClip]> {
        self.clips.chunk_by(|a, b| a.song == b.song)
    }

    /// The clips as points for [`scatter_svg`](crate::scatter_svg).
    pub fn clip_points(&self) -> Vec<MapPoint> {
        let class = |clip: &MapClip| self.songs[clip.song].class;
        let point = |clip: &MapClip| MapPoint { position: clip.position, class: class(clip) };
        self.clips.iter().map(point).collect()
    }

    /// The songs as points for [`scatter_svg`](crate::scatter_svg).
    pub fn song_points(&self) -> Vec<MapPoint> {
        let point = |song: &MapSong| MapPoint { position: song.position, class: song.class };
        self.songs.iter().map(point).collect()
    }
}

fn finite(position: [f32; 2]) -> bool {
    position.iter().all(|coordinate| coordinate.is_finite())
}

fn check_clips(clips: &[MapClip], songs: usize) -> Result<(), EvalError> {
    let features = clips.first().map_or(0, |clip| clip.features.len());
    for (index, clip) in clips.iter().enumerate() {
        let problem = if clip.song >= songs {
            format!("belongs to song {} of {songs}", clip.song)
        } else if !finite(clip.position) {
            "lies at no finite place".to_owned()
        } else if !clip.start_seconds.is_finite() || clip.start_seconds < 0.0 {
            format!("starts at {} s", clip.start_seconds)
        } else if clip.features.len() != features {
            format!("has {} features where the first has {features}", clip.features.len())
        } else if !clip.features.iter().all(|feature| feature.is_finite()) {
            "has a feature that is not finite".to_owned()
        } else {
            continue;
        };
        return Err(EvalError::MapClip { clip: index, problem });
    }
    Ok(())
}

fn check_songs(songs: &[MapSong], clips: &[MapClip], classes: usize) -> Result<(), EvalError> {
    if songs.is_empty() {
        return Err(EvalError::NoPredictions);
    }
    let mut counts = vec![0_usize; songs.len()];
    for clip in clips {
        counts[clip.song] += 1;
    }
    let mut seen = HashMap::with_capacity(songs.len());
    for (index, song) in songs.iter().enumerate() {
        let problem = if song.class >= classes {
            format!("has the class {} of {classes}", song.class)
        } else if !finite(song.position) {
            "lies at no finite place".to_owned()
        } else if counts[index] == 0 {
            "has no clip".to_owned()
        } else if seen.insert(song.song_id.as_str(), index).is_some() {
            "is given twice".to_owned()
        } else {
            continue;
        };
        return Err(EvalError::MapSong { song_id: song.song_id.clone(), problem });
    }
    Ok(())
}
