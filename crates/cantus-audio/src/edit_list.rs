//! The edit list of an MP4 file, which says how much encoder delay to skip.
//!
//! symphonia 0.6 reads edit lists and does not apply them, so that AAC would start 1024 or 2112
//! samples late. Only as much is read here as it takes: the first edit of the first sound track
//! (ISO/IEC 14496-12, section 8.6.6).

use std::io::{self, Read, Seek, SeekFrom};

/// Boxes looked at before giving up; real files have a few dozen.
const MAX_BOXES: usize = 4_096;

/// Boxes that hold the boxes on the way to the edit list.
const PARENTS: [&[u8; 4]; 4] = [b"moov", b"trak", b"edts", b"mdia"];

/// Where the presentation starts in the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edit {
    /// First tick to play.
    media_time: u64,
    /// Ticks a second.
    timescale: u32,
}

impl Edit {
    /// Frames before the start, at `rate` Hz.
    pub(crate) fn skipped_frames(&self, rate: f64) -> u64 {
        (self.media_time as f64 * rate / f64::from(self.timescale)).round() as u64
    }
}

/// What was seen of the track being walked through.
#[derive(Debug, Default)]
struct Seen {
    media_time: Option<u64>,
    timescale: Option<u32>,
    is_sound: bool,
}

impl Seen {
    fn edit(&self) -> Option<Edit> {
        let (true, Some(media_time), Some(timescale)) =
            (self.is_sound, self.media_time, self.timescale.filter(|scale| *scale > 0))
        else {
            return None;
        };
        Some(Edit { media_time, timescale })
    }
}

/// The first edit of the first sound track, if this is an MP4 file with one.
///
/// Damage is no error here: the demultiplexer that reads the file next names it better.
pub(crate) fn read_first_edit<R: Read + Seek>(reader: &mut R) -> io::Result<Option<Edit>> {
    match walk(reader) {
        Ok(edit) => Ok(edit),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        // A spent budget shows again, and with its name, when the headers are read.
        Err(error) if error.kind() == io::ErrorKind::Other => Ok(None),
        Err(error) => Err(error),
    }
}

fn walk<R: Read + Seek>(reader: &mut R) -> io::Result<Option<Edit>> {
    let mut start = [0; 8];
    reader.read_exact(&mut start)?;
    if &start[4..] != b"ftyp" {
        return Ok(None);
    }
    let mut position = 0_u64;
    let mut seen = Seen::default();
    for _ in 0..MAX_BOXES {
        reader.seek(SeekFrom::Start(position))?;
        let (kind, header, size) = read_box_header(reader)?;
        let body = position + header;
        position = if PARENTS.contains(&&kind) { body } else { position.saturating_add(size) };
        match &kind {
            b"trak" => {
                if let Some(edit) = seen.edit() {
                    return Ok(Some(edit));
                }
                seen = Seen::default();
            }
            b"elst" => seen.media_time = read_media_time(reader)?,
            b"mdhd" => seen.timescale = Some(read_timescale(reader)?),
            b"hdlr" => {
                let mut fields = [0; 12];
                reader.read_exact(&mut fields)?;
                seen.is_sound |= &fields[8..] == b"soun";
            }
            _ => {}
        }
        if let Some(edit) = seen.edit() {
            return Ok(Some(edit));
        }
    }
    Ok(None)
}

/// Kind, length of the header, and length of the whole box.
fn read_box_header<R: Read>(reader: &mut R) -> io::Result<([u8; 4], u64, u64)> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    let [a, b, c, d, kind @ ..] = bytes;
    match u32::from_be_bytes([a, b, c, d]) {
        // The box runs to the end of the file.
        0 => Ok((kind, 8, u64::MAX)),
        1 => {
            let mut long = [0; 8];
            reader.read_exact(&mut long)?;
            Ok((kind, 16, u64::from_be_bytes(long).max(16)))
        }
        size => Ok((kind, 8, u64::from(size).max(8))),
    }
}

/// Start of the first edit that is not an empty one.
fn read_media_time<R: Read>(reader: &mut R) -> io::Result<Option<u64>> {
    let version = read_version(reader)?;
    let entries = read_u32(reader)?;
    for _ in 0..entries.min(16) {
        let media_time = if version == 1 {
            read_u64(reader)?;
            read_u64(reader)?.cast_signed()
        } else {
            read_u32(reader)?;
            i64::from(read_u32(reader)?.cast_signed())
        };
        read_u32(reader)?;
        if let Ok(media_time) = u64::try_from(media_time) {
            return Ok(Some(media_time));
        }
    }
    Ok(None)
}

fn read_timescale<R: Read>(reader: &mut R) -> io::Result<u32> {
    let times = if read_version(reader)? == 1 { 16 } else { 8 };
    let mut skipped = [0; 16];
    reader.read_exact(&mut skipped[..times])?;
    read_u32(reader)
}

fn read_version<R: Read>(reader: &mut R) -> io::Result<u8> {
    Ok(read_u32(reader)?.to_be_bytes()[0])
}

fn read_u32<R: Read>(reader: &mut R) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn read_u64<R: Read>(reader: &mut R) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}
