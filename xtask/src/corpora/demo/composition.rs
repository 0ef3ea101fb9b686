//! A song as notes: key, tempo, chords, a lead over them, a bass under them, and drums.

use super::artist::{ARTISTS, Artist, BassLine, Chords, Groove, Scale};
use super::draws::{Draws, Place, Purpose};
use super::instruments::Instrument;
use super::strength::{GUEST_HARMONY, GUEST_LEAD, GUEST_RHYTHM, REGISTER_SEMITONES, RESTING_PARTS};

/// One note of a part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Note {
    pub(super) start_seconds: f64,
    pub(super) seconds: f64,
    /// MIDI number; 69 is 440 Hz.
    pub(super) pitch: i32,
    /// 0 to 1.
    pub(super) loudness: f32,
}

/// A stroke on one drum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stroke {
    pub(super) start_seconds: f64,
    pub(super) drum: Drum,
    /// 0 to 1.
    pub(super) loudness: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drum {
    Kick,
    Snare,
    Hat,
}

/// A song before anything sounds.
#[derive(Debug)]
pub(super) struct Score {
    pub(super) lead_instrument: Instrument,
    pub(super) harmony_instrument: Instrument,
    pub(super) lead: Vec<Note>,
    pub(super) harmony: Vec<Note>,
    pub(super) bass: Vec<Note>,
    pub(super) drums: Vec<Stroke>,
}

const BEATS_PER_BAR: usize = 4;
const EIGHTHS_PER_BAR: usize = 8;
const BARS_PER_SECTION: usize = 4;
const LOWEST_BASS_NOTE: i32 = 31;
const MIDDLE_C: i32 = 60;

/// Writes a song of `seconds`.
pub(super) fn compose(seed: u64, place: Place, seconds: f64) -> Score {
    let artist = &ARTISTS[place.artist];
    let mut arrangement = Draws::of_song(seed, Purpose::Arrangement, place);
    let lead_instrument = guest(&mut arrangement, place.artist, GUEST_LEAD).lead;
    let harmony_instrument = guest(&mut arrangement, place.artist, GUEST_HARMONY).harmony;
    let groove_artist = guest(&mut arrangement, place.artist, GUEST_RHYTHM);
    let groove = arrangement.pick(&groove_artist.grooves);

    let mut draws = Draws::of_song(seed, Purpose::Composition, place);
    let (slowest, fastest) = artist.beats_per_minute;
    let song = Song {
        artist,
        scale: draws.pick(&artist.scales),
        key: MIDDLE_C + draws.index(12) as i32 - 6,
        lead_note: artist.lead_note + draws.index(2 * REGISTER_SEMITONES as usize + 1) as i32
            - REGISTER_SEMITONES,
        beat_seconds: 60.0 / draws.between(slowest, fastest),
        groove,
        // Degrees of the scale; the first chord is mostly the root's.
        progression: [0, draws.pick(&[3, 4, 5]), draws.pick(&[1, 3, 5]), draws.pick(&[4, 3, 6])],
        motifs: [motif(&mut draws, artist), motif(&mut draws, artist)],
    };

    let mut score = Score {
        lead_instrument,
        harmony_instrument,
        lead: Vec::new(),
        harmony: Vec::new(),
        bass: Vec::new(),
        drums: Vec::new(),
    };
    let bars = (seconds / song.bar_seconds()).ceil() as usize;
    let mut playing = [true; 4];
    for bar in 0..bars {
        if bar % BARS_PER_SECTION == 0 {
            playing = playing_parts(&mut arrangement);
        }
        let [lead, harmony, bass, drums] = playing;
        if lead {
            song.write_lead(bar, &mut draws, &mut score.lead);
        }
        if harmony {
            song.write_harmony(bar, &mut draws, &mut score.harmony);
        }
        if bass {
            song.write_bass(bar, &mut score.bass);
        }
        if drums {
            song.write_drums(bar, &mut draws, &mut score.drums);
        }
    }
    score
}

/// The artist, or with some probability another one.
fn guest(draws: &mut Draws, artist: usize, probability: f64) -> &'static Artist {
    let is_guest = draws.chance(probability);
    let other = (artist + 1 + draws.index(ARTISTS.len() - 1)) % ARTISTS.len();
    &ARTISTS[if is_guest { other } else { artist }]
}

/// Whether lead, harmony, bass and drums play in a section; at least two of them do.
fn playing_parts(draws: &mut Draws) -> [bool; 4] {
    let drawn = [(); 4].map(|()| !draws.chance(RESTING_PARTS));
    if drawn.iter().filter(|&&plays| plays).count() < 2 { [true; 4] } else { drawn }
}

/// A melody: degrees above the chord's root, or a rest, for each eighth of two bars.
type Motif = [Option<i32>; 2 * EIGHTHS_PER_BAR];

fn motif(draws: &mut Draws, artist: &Artist) -> Motif {
    let mut degree = draws.index(5) as i32;
    std::array::from_fn(|eighth| {
        let on_beat = if eighth % 2 == 0 { 0.2 } else { -0.1 };
        if !draws.chance(artist.lead_density + on_beat) {
            return None;
        }
        degree = (degree + draws.pick(&[-2, -1, -1, 0, 1, 1, 2, 3])).clamp(-3, 8);
        Some(degree)
    })
}

struct Song {
    artist: &'static Artist,
    scale: Scale,
    /// MIDI note of the scale's root.
    key: i32,
    lead_note: i32,
    beat_seconds: f64,
    groove: Groove,
    progression: [i32; BARS_PER_SECTION],
    motifs: [Motif; 2],
}

impl Song {
    fn bar_seconds(&self) -> f64 {
        BEATS_PER_BAR as f64 * self.beat_seconds
    }

    fn eighth_seconds(&self) -> f64 {
        self.beat_seconds / 2.0
    }

    /// When an eighth begins, the second of each pair late by the artist's swing.
    fn eighth_start(&self, bar: usize, eighth: usize) -> f64 {
        let late = if eighth % 2 == 1 { self.artist.swing } else { 0.0 };
        bar as f64 * self.bar_seconds() + (eighth as f64 + late) * self.eighth_seconds()
    }

    /// Degree of the scale to MIDI note, over as many octaves as it takes.
    fn pitch(&self, degree: i32) -> i32 {
        let steps = self.scale.len() as i32;
        let semitones = self.scale[degree.rem_euclid(steps) as usize];
        self.key + 12 * degree.div_euclid(steps) + semitones
    }

    fn chord_degree(&self, bar: usize) -> i32 {
        self.progression[bar % BARS_PER_SECTION]
    }

    fn write_lead(&self, bar: usize, draws: &mut Draws, notes: &mut Vec<Note>) {
        let motif = &self.motifs[(bar / BARS_PER_SECTION) % 2];
        let first = bar % 2 * EIGHTHS_PER_BAR;
        for eighth in 0..EIGHTHS_PER_BAR {
            // A tenth of the steps depart from the motif, so that no two bars are the same.
            let step =
                if draws.chance(0.1) { Some(draws.index(7) as i32) } else { motif[first + eighth] };
            let Some(degree) = step else { continue };
            let silent_after = motif[first..first + EIGHTHS_PER_BAR][eighth + 1..]
                .iter()
                .take_while(|step| step.is_none())
                .count();
            let pitch = self.pitch(self.chord_degree(bar) + degree);
            notes.push(Note {
                start_seconds: self.eighth_start(bar, eighth),
                seconds: (1 + silent_after.min(3)) as f64 * self.eighth_seconds() * 0.95,
                pitch: nearest_octave(pitch, self.lead_note),
                loudness: draws.between(0.6, 1.0) as f32,
            });
        }
    }

    fn write_harmony(&self, bar: usize, draws: &mut Draws, notes: &mut Vec<Note>) {
        let chord: [i32; 3] = [0, 2, 4]
            .map(|third| nearest_octave(self.pitch(self.chord_degree(bar) + third), MIDDLE_C));
        let mut strike = |eighth: usize, pitch: i32, eighths: f64| {
            notes.push(Note {
                start_seconds: self.eighth_start(bar, eighth),
                seconds: eighths * self.eighth_seconds(),
                pitch,
                loudness: draws.between(0.5, 0.8) as f32,
            });
        };
        match self.artist.chords {
            Chords::Held => {
                for pitch in chord {
                    strike(0, pitch, 7.8);
                }
            }
            Chords::Broken => {
                for eighth in 0..EIGHTHS_PER_BAR {
                    strike(eighth, chord[[0, 1, 2, 1][eighth % 4]], 1.6);
                }
            }
            Chords::Offbeat => {
                for eighth in (1..EIGHTHS_PER_BAR).step_by(2) {
                    for pitch in chord {
                        strike(eighth, pitch, 0.6);
                    }
                }
            }
        }
    }

    fn write_bass(&self, bar: usize, notes: &mut Vec<Note>) {
        let chord = self.chord_degree(bar);
        let mut pluck = |eighth: usize, degree: i32, octaves: i32, eighths: f64| {
            let mut pitch = self.pitch(chord + degree);
            while pitch - 12 >= LOWEST_BASS_NOTE {
                pitch -= 12;
            }
            notes.push(Note {
                start_seconds: self.eighth_start(bar, eighth),
                seconds: eighths * self.eighth_seconds(),
                pitch: pitch + 12 * octaves,
                loudness: 0.8,
            });
        };
        match self.artist.bass_line {
            BassLine::Halves => {
                for eighth in [0, 4] {
                    pluck(eighth, 0, 0, 3.6);
                }
            }
            BassLine::Walking => {
                for (beat, degree) in [0, 2, 4, 5].into_iter().enumerate() {
                    pluck(2 * beat, degree, 0, 1.8);
                }
            }
            BassLine::Octaves => {
                for eighth in 0..EIGHTHS_PER_BAR {
                    pluck(eighth, 0, (eighth % 2) as i32, 0.8);
                }
            }
        }
    }

    fn write_drums(&self, bar: usize, draws: &mut Draws, strokes: &mut Vec<Stroke>) {
        let parts = [
            (Drum::Kick, self.groove.kick),
            (Drum::Snare, self.groove.snare),
            (Drum::Hat, self.groove.hat),
        ];
        for (drum, steps) in parts {
            for (step, mark) in steps.bytes().enumerate() {
                if mark == b'.' {
                    continue;
                }
                let half_step = if step % 2 == 1 { self.eighth_seconds() / 2.0 } else { 0.0 };
                let loudness = if mark == b'x' { 0.9 } else { 0.5 };
                strokes.push(Stroke {
                    start_seconds: self.eighth_start(bar, step / 2) + half_step,
                    drum,
                    loudness: (loudness * draws.between(0.85, 1.1)) as f32,
                });
            }
        }
    }
}

/// The same note in the octave that begins half an octave under `centre`.
fn nearest_octave(pitch: i32, centre: i32) -> i32 {
    let low = centre - 6;
    low + (pitch - low).rem_euclid(12)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { artist: 3, album: 1, song: 2 };

    #[test]
    fn a_song_is_a_function_of_the_seed_and_its_place() {
        assert_eq!(compose(5, PLACE, 30.0).lead, compose(5, PLACE, 30.0).lead);
        assert_ne!(compose(5, PLACE, 30.0).lead, compose(6, PLACE, 30.0).lead);
        let next = Place { song: 3, ..PLACE };
        assert_ne!(compose(5, PLACE, 30.0).lead, compose(5, next, 30.0).lead);
    }

    #[test]
    fn every_part_stays_in_its_register() {
        for artist in 0..ARTISTS.len() {
            let score = compose(0, Place { artist, album: 0, song: 0 }, 60.0);
            assert!(score.bass.iter().all(|note| (31..55).contains(&note.pitch)));
            assert!(score.harmony.iter().all(|note| (54..66).contains(&note.pitch)));
            assert!(score.lead.iter().all(|note| (50..90).contains(&note.pitch)));
        }
    }

    #[test]
    fn notes_are_moved_by_octaves_alone() {
        for pitch in 20..110 {
            let moved = nearest_octave(pitch, MIDDLE_C);
            assert!((54..66).contains(&moved) && (moved - pitch) % 12 == 0);
        }
    }
}
