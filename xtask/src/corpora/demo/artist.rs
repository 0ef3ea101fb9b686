//! The eight artists: who plays what, in which scales, how fast and in which manner.
//!
//! They overlap on purpose. Every instrument, scale, kit and manner is shared by at least two of
//! them, and only the combination tells them apart.

use super::instruments::Instrument;

/// Albums of every artist.
pub(super) const ALBUMS: usize = 4;

/// Degrees of a scale in semitones above its root.
pub(super) type Scale = &'static [i32];

const MAJOR: Scale = &[0, 2, 4, 5, 7, 9, 11];
const MINOR: Scale = &[0, 2, 3, 5, 7, 8, 10];
const DORIAN: Scale = &[0, 2, 3, 5, 7, 9, 10];
const MIXOLYDIAN: Scale = &[0, 2, 4, 5, 7, 9, 10];
const LYDIAN: Scale = &[0, 2, 4, 6, 7, 9, 11];
const HARMONIC_MINOR: Scale = &[0, 2, 3, 5, 7, 8, 11];

/// How chords are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chords {
    /// Held for the whole bar.
    Held,
    /// One note after the other in eighths.
    Broken,
    /// Short, on the second half of every beat.
    Offbeat,
}

/// How the bass moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BassLine {
    /// The root, twice a bar.
    Halves,
    /// A step of the scale on every beat.
    Walking,
    /// Root and octave in eighths.
    Octaves,
}

/// Sixteen steps a bar for kick, snare and hat; every character but `.` is a stroke, `x` a loud
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Groove {
    pub(super) kick: &'static str,
    pub(super) snare: &'static str,
    pub(super) hat: &'static str,
}

const BACKBEAT: Groove =
    Groove { kick: "x.....o.x.......", snare: "....x.......x...", hat: "x.o.x.o.x.o.x.o." };
const FOUR_ON_THE_FLOOR: Groove =
    Groove { kick: "x...x...x...x...", snare: "....o.......o...", hat: "..x...x...x...x." };
const HALF_TIME: Groove =
    Groove { kick: "x.........o.....", snare: "........x.......", hat: "x...o...x...o..." };
const BOSSA: Groove =
    Groove { kick: "x..ox..ox..ox..o", snare: "x..o..o...o..o..", hat: "oooooooooooooooo" };

/// Which drums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kit {
    Wooden,
    Machine,
    Brushes,
}

/// What stays the same on all albums of an artist.
#[derive(Debug)]
pub(super) struct Artist {
    pub(super) name: &'static str,
    pub(super) albums: [&'static str; ALBUMS],
    pub(super) lead: Instrument,
    pub(super) harmony: Instrument,
    pub(super) bass: Instrument,
    pub(super) kit: Kit,
    pub(super) scales: [Scale; 2],
    pub(super) beats_per_minute: (f64, f64),
    /// MIDI note around which the lead plays.
    pub(super) lead_note: i32,
    pub(super) chords: Chords,
    pub(super) bass_line: BassLine,
    pub(super) grooves: [Groove; 2],
    /// Share of the eighths on which the lead plays.
    pub(super) lead_density: f64,
    /// Share of an eighth by which every second one comes late.
    pub(super) swing: f64,
}

pub(super) const ARTISTS: [Artist; 8] = [
    Artist {
        name: "Amber Causeway",
        albums: ["Low Water", "The Ferry Hours", "Salt on the Sill", "Tollhouse"],
        lead: Instrument::Reed,
        harmony: Instrument::Organ,
        bass: Instrument::GrowlBass,
        kit: Kit::Wooden,
        scales: [DORIAN, MINOR],
        beats_per_minute: (84.0, 108.0),
        lead_note: 69,
        chords: Chords::Offbeat,
        bass_line: BassLine::Walking,
        grooves: [BACKBEAT, HALF_TIME],
        lead_density: 0.5,
        swing: 0.2,
    },
    Artist {
        name: "Birchlight Society",
        albums: ["Minutes of the Meadow", "Kindling", "Snow Ledger", "A Chair by the Stove"],
        lead: Instrument::PluckedString,
        harmony: Instrument::Strings,
        bass: Instrument::RoundBass,
        kit: Kit::Brushes,
        scales: [MAJOR, LYDIAN],
        beats_per_minute: (92.0, 120.0),
        lead_note: 72,
        chords: Chords::Held,
        bass_line: BassLine::Halves,
        grooves: [BOSSA, BACKBEAT],
        lead_density: 0.7,
        swing: 0.0,
    },
    Artist {
        name: "Cinder Orchard",
        albums: ["Night Grafting", "Ember Season", "Windfall", "The Smoke Almanac"],
        lead: Instrument::SawLead,
        harmony: Instrument::Strings,
        bass: Instrument::GrowlBass,
        kit: Kit::Machine,
        scales: [MINOR, HARMONIC_MINOR],
        beats_per_minute: (110.0, 132.0),
        lead_note: 74,
        chords: Chords::Broken,
        bass_line: BassLine::Octaves,
        grooves: [FOUR_ON_THE_FLOOR, BACKBEAT],
        lead_density: 0.55,
        swing: 0.0,
    },
    Artist {
        name: "Dovetail Harbour",
        albums: ["Joinery", "Slipway Songs", "Tide Tables", "Varnish"],
        lead: Instrument::Flute,
        harmony: Instrument::PluckedString,
        bass: Instrument::RoundBass,
        kit: Kit::Brushes,
        scales: [MAJOR, MIXOLYDIAN],
        beats_per_minute: (88.0, 112.0),
        lead_note: 77,
        chords: Chords::Broken,
        bass_line: BassLine::Halves,
        grooves: [BOSSA, HALF_TIME],
        lead_density: 0.45,
        swing: 0.1,
    },
    Artist {
        name: "Ellery Moss",
        albums: ["Understorey", "Small Rooms, Green Doors", "Lichen Letters", "Dew Point"],
        lead: Instrument::ElectricPiano,
        harmony: Instrument::Organ,
        bass: Instrument::HollowBass,
        kit: Kit::Brushes,
        scales: [DORIAN, LYDIAN],
        beats_per_minute: (76.0, 100.0),
        lead_note: 67,
        chords: Chords::Held,
        bass_line: BassLine::Walking,
        grooves: [BOSSA, HALF_TIME],
        lead_density: 0.6,
        swing: 0.2,
    },
    Artist {
        name: "Foxglove Parade",
        albums: ["Bunting", "Second Balloon", "Confetti Weather", "The Long Way Round"],
        lead: Instrument::Brass,
        harmony: Instrument::PluckedString,
        bass: Instrument::HollowBass,
        kit: Kit::Wooden,
        scales: [MIXOLYDIAN, MAJOR],
        beats_per_minute: (106.0, 132.0),
        lead_note: 70,
        chords: Chords::Offbeat,
        bass_line: BassLine::Octaves,
        grooves: [BACKBEAT, FOUR_ON_THE_FLOOR],
        lead_density: 0.5,
        swing: 0.1,
    },
    Artist {
        name: "Gentle Antenna",
        albums: ["Weak Signals", "Carrier Wave", "Dial Garden", "Static for Beginners"],
        lead: Instrument::Bell,
        harmony: Instrument::ElectricPiano,
        bass: Instrument::HollowBass,
        kit: Kit::Machine,
        scales: [LYDIAN, DORIAN],
        beats_per_minute: (96.0, 124.0),
        lead_note: 76,
        chords: Chords::Broken,
        bass_line: BassLine::Octaves,
        grooves: [FOUR_ON_THE_FLOOR, HALF_TIME],
        lead_density: 0.5,
        swing: 0.0,
    },
    Artist {
        name: "Halcyon Quarry",
        albums: ["Slate", "Kingfisher Shift", "Echo Ledge", "Rope and Pulley"],
        lead: Instrument::Reed,
        harmony: Instrument::Strings,
        bass: Instrument::RoundBass,
        kit: Kit::Wooden,
        scales: [MINOR, HARMONIC_MINOR],
        beats_per_minute: (72.0, 96.0),
        lead_note: 64,
        chords: Chords::Held,
        bass_line: BassLine::Halves,
        grooves: [HALF_TIME, BACKBEAT],
        lead_density: 0.35,
        swing: 0.0,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_artists_play_the_same_combination() {
        let palettes: BTreeSet<String> = ARTISTS
            .iter()
            .map(|artist| {
                format!("{:?} {:?} {:?} {:?}", artist.lead, artist.harmony, artist.bass, artist.kit)
            })
            .collect();
        assert_eq!(palettes.len(), ARTISTS.len());
    }

    #[test]
    fn artists_and_albums_have_names_of_their_own() {
        let artists: BTreeSet<&str> = ARTISTS.iter().map(|artist| artist.name).collect();
        assert_eq!(artists.len(), ARTISTS.len());
        let albums: BTreeSet<&str> = ARTISTS.iter().flat_map(|artist| artist.albums).collect();
        assert_eq!(albums.len(), ARTISTS.len() * ALBUMS);
    }

    #[test]
    fn every_groove_has_sixteen_steps_a_bar() {
        for groove in ARTISTS.iter().flat_map(|artist| artist.grooves) {
            for steps in [groove.kick, groove.snare, groove.hat] {
                assert_eq!(steps.len(), 16, "{steps}");
            }
        }
    }
}
