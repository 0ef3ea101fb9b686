//! Who sounds like whom: `nearest_neighbour ARTIST/SONG.wav...` makes a Gaussian of each song, finds
//! the nearest of the others, and says how often that is by the same artist (the name of the
//! file's folder). Songs of one sample rate, please.

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use cantus_baseline::{
    LabelledSongs, NearestSongs, NearestSongsConfig, SongGaussian, SongGaussianConfig,
    SongGaussianPlan,
};
use cantus_mel::{LogMelPlan, MelConfig};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let artists: Vec<String> = paths.iter().map(|path| artist(path)).collect();
    let names: Vec<&String> = artists.iter().collect::<BTreeSet<_>>().into_iter().collect();
    if names.len() < 2 {
        return Err("usage: nearest_neighbour ARTIST/SONG.wav..., of two artists at least".into());
    }
    let classes: Vec<usize> =
        artists.iter().map(|artist| names.partition_point(|name| *name < artist)).collect();
    let songs = gaussians(&paths)?;

    let songs = LabelledSongs::new(songs, classes, names.len())?;
    let nearest = NearestSongs::new(songs, &NearestSongsConfig::default())?;
    let mut out = stdout().lock();
    let mut right = 0;
    for (song, shares) in nearest.leave_one_out().iter().enumerate() {
        // One neighbour: its artist has the whole share.
        let class = shares.iter().position(|share| *share > 0.5).ok_or("no neighbour")?;
        let is_right = *names[class] == artists[song];
        right += u32::from(is_right);
        let verdict = if is_right { "" } else { "  (wrong)" };
        writeln!(out, "{}: like {}{verdict}", paths[song].display(), names[class])?;
    }
    writeln!(out, "{right} of {} songs are nearest to one by their own artist", paths.len())?;
    Ok(())
}

/// The name of the folder.
fn artist(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    folder.to_string_lossy().into_owned()
}

fn gaussians(paths: &[PathBuf]) -> Result<Vec<SongGaussian>, Failure> {
    let mut rate = None;
    let mut songs = Vec::new();
    for path in paths {
        let named = |error: Failure| format!("{}: {error}", path.display());
        let (samples, sample_rate) = read(path).map_err(|error| named(error.into()))?;
        if *rate.get_or_insert(sample_rate) != sample_rate {
            return Err(named("another sample rate than the songs before".into()).into());
        }
        let config = MelConfig { sample_rate, ..MelConfig::paper() };
        let log_mel =
            LogMelPlan::new(&config)?.compute(&samples).map_err(|error| named(error.into()))?;
        let plan = SongGaussianPlan::new(log_mel.n_mels, &SongGaussianConfig::default())?;
        songs.push(plan.compute(&log_mel.values).map_err(|error| named(error.into()))?);
    }
    Ok(songs)
}

/// The mean of the channels, and the sample rate.
fn read(path: &Path) -> hound::Result<(Vec<f32>, u32)> {
    let mut reader = hound::WavReader::open(path)?;
    let spec = reader.spec();
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let full_scale = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            let whole = reader.samples::<i32>();
            whole
                .map(|sample| sample.map(|value| value as f32 / full_scale))
                .collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels);
    let frames = samples.chunks_exact(channels);
    let mono = frames.map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    Ok((mono, spec.sample_rate))
}
