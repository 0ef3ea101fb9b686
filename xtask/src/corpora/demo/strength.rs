//! How hard the corpus is: every number that moves it, in one place.
//!
//! What an artist does is heard on all of their albums, what a producer does on one album. The more
//! an artist's palette decides, the better a network does on albums it has not heard; the more the
//! production decides, the further the album split falls behind the song split.

/// Share of songs that borrow their lead instrument from another artist.
pub(super) const GUEST_LEAD: f64 = 0.08;
/// Share of songs that borrow their harmony instrument from another artist.
pub(super) const GUEST_HARMONY: f64 = 0.08;
/// Share of songs played to another artist's drum pattern.
pub(super) const GUEST_RHYTHM: f64 = 0.15;
/// How far a song's timbres stray from the artist's: standard deviation of the logarithm of
/// brightness, of attack and of decay.
pub(super) const TIMBRE_SPREAD: f64 = 0.16;
/// Semitones by which a song may lie above or below the artist's register.
pub(super) const REGISTER_SEMITONES: i32 = 5;
/// Share of the parts that rest in a section of four bars, so that some clips hold half a band.
pub(super) const RESTING_PARTS: f64 = 0.25;

/// Producers' tilt of the spectrum, in decibels an octave either way.
pub(super) const TILT_DB_PER_OCTAVE: f64 = 1.0;
/// Producers' one broad boost or cut, in decibels either way.
pub(super) const PEAK_DB: f64 = 2.5;
/// Where the low end stops, in hertz, from album to album.
pub(super) const LOW_CUT_HZ: (f64, f64) = (30.0, 90.0);
/// Where the high end stops, in hertz.
pub(super) const HIGH_CUT_HZ: (f64, f64) = (5500.0, 7800.0);
/// Time in which the reverberation falls by 60 dB, in seconds.
pub(super) const REVERB_SECONDS: (f64, f64) = (0.2, 1.6);
/// Amplitude of the reverberation beside the dry sound.
pub(super) const REVERB_MIX: (f64, f64) = (0.03, 0.18);
/// Hiss against the music, in decibels.
pub(super) const HISS_DB: (f64, f64) = (-66.0, -52.0);
/// Gain into the saturation: 1 is nearly clean.
pub(super) const DRIVE: (f64, f64) = (0.4, 1.2);
/// Root mean square of a song, in decibels of full scale.
pub(super) const LOUDNESS_DB: (f64, f64) = (-19.0, -16.0);
/// Producers' balance of lead, harmony, bass and drums, in decibels either way.
pub(super) const BALANCE_DB: f64 = 1.5;
