//! Artist, album, title: what the tags say.

use serde::{Deserialize, Serialize};
use symphonia::core::formats::FormatReader;
use symphonia::core::meta::well_known::METADATA_ID_ID3V1;
use symphonia::core::meta::{MetadataRevision, StandardTag, Tag};

/// The tags that tell whose recording a file is: from ID3v1, ID3v2, Vorbis comments, MP4 or RIFF.
///
/// White space at both ends is cut, empty values are absent. Where a tag stands several times the
/// first one counts; ID3v1, which cuts at 30 characters, counts only where nothing else speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// Artist of the track.
    pub artist: Option<String>,
    /// Artist of the album, which differs on compilations.
    pub album_artist: Option<String>,
    /// Album.
    pub album: Option<String>,
    /// Title of the track.
    pub title: Option<String>,
    /// Number of the track on its disc.
    pub track: Option<u32>,
    /// Number of the disc.
    pub disc: Option<u32>,
}

impl Tags {
    /// Gathers every revision of the metadata that the container has read.
    pub(crate) fn read(format: &mut dyn FormatReader) -> Self {
        let mut metadata = format.metadata();
        let mut revisions: Vec<MetadataRevision> = Vec::new();
        while let Some(revision) = metadata.pop() {
            revisions.push(revision);
        }
        revisions.extend(metadata.current().cloned());
        revisions.sort_by_key(|revision| revision.info.metadata == METADATA_ID_ID3V1);

        let mut tags = Self::default();
        for revision in &revisions {
            let of_tracks = revision.per_track.iter().flat_map(|track| &track.metadata.tags);
            for tag in revision.media.tags.iter().chain(of_tracks) {
                tags.take(tag);
            }
        }
        tags
    }

    fn take(&mut self, tag: &Tag) {
        match &tag.std {
            Some(StandardTag::Artist(text)) => set_text(&mut self.artist, text),
            Some(StandardTag::AlbumArtist(text)) => set_text(&mut self.album_artist, text),
            Some(StandardTag::Album(text)) => set_text(&mut self.album, text),
            Some(StandardTag::TrackTitle(text)) => set_text(&mut self.title, text),
            Some(StandardTag::TrackNumber(number)) => set_number(&mut self.track, *number),
            Some(StandardTag::DiscNumber(number)) => set_number(&mut self.disc, *number),
            _ => {}
        }
    }
}

fn set_text(slot: &mut Option<String>, text: &str) {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if slot.is_none() && !text.is_empty() {
        *slot = Some(text.to_owned());
    }
}

fn set_number(slot: &mut Option<u32>, number: u64) {
    if slot.is_none() && number > 0 {
        *slot = u32::try_from(number).ok();
    }
}
