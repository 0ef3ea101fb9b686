//! What is said of music, and of which part of it.

use std::io::Cursor;
use std::ops::ControlFlow;

use cantus::{Excerpt, Identifier, Progress, STRANGER_MEASURE, stranger_score};
use cantus_crnn::candle_core::{Device, Tensor};
use cantus_crnn::{Mode, ModelFile, OpenSet};
use cantus_mel::{LogMelPlan, MelConfig};

use crate::music::{FRAMES, front_end, identifier, model_file, music, wav};

/// Seconds of a clip.
const CLIP: f64 = FRAMES as f64 * 0.032;

#[test]
fn each_clip_has_the_probabilities_that_the_network_gives_its_spectrogram() {
    let samples = music(9.3, 16_000);
    let found = identifier("whole").identify_samples(&samples, 16_000).unwrap();
    let mel = LogMelPlan::new(&MelConfig::paper()).unwrap().compute(&samples).unwrap();
    let model = model_file(front_end("whole")).model().unwrap();
    // More clips than go through the network at once.
    assert_eq!(found.clips.len(), mel.n_frames / FRAMES);
    assert!(found.clips.len() > 16);
    for (clip, told) in found.clips.iter().enumerate() {
        let values = mel.values[clip * FRAMES * 128..][..FRAMES * 128].to_vec();
        let input = Tensor::from_vec(values, (1, FRAMES, 128), &Device::Cpu).unwrap();
        let input = input.transpose(1, 2).unwrap().contiguous().unwrap();
        let expected = model.probabilities(&input).unwrap().to_vec2::<f32>().unwrap().remove(0);
        for (told, expected) in told.probabilities.iter().zip(&expected) {
            assert!((told - expected).abs() < 1e-6, "clip {clip}: {told}, not {expected}");
        }
        assert!((told.start_seconds - clip as f64 * CLIP).abs() < 1e-9);
    }
    let first = &found.clips[0].probabilities;
    assert!(found.clips.iter().any(|clip| clip.probabilities != *first), "the clips differ");
}

#[test]
fn each_clip_has_the_last_recurrent_state_and_the_recording_their_mean() {
    let samples = music(9.3, 16_000);
    let found = identifier("whole").identify_samples(&samples, 16_000).unwrap();
    let mel = LogMelPlan::new(&MelConfig::paper()).unwrap().compute(&samples).unwrap();
    let model = model_file(front_end("whole")).model().unwrap();
    let width = model.config().embedding_size();
    let mut sums = vec![0.0; width];
    for (clip, told) in found.clips.iter().enumerate() {
        let values = mel.values[clip * FRAMES * 128..][..FRAMES * 128].to_vec();
        let input = Tensor::from_vec(values, (1, FRAMES, 128), &Device::Cpu).unwrap();
        let input = input.transpose(1, 2).unwrap().contiguous().unwrap();
        let expected = model.forward(&input, Mode::Evaluation).unwrap().embedding;
        let expected = expected.to_vec2::<f32>().unwrap().remove(0);
        assert_eq!((told.embedding.len(), expected.len()), (width, width));
        for ((told, expected), sum) in told.embedding.iter().zip(&expected).zip(&mut sums) {
            assert!((told - expected).abs() < 1e-5, "clip {clip}: {told}, not {expected}");
            *sum += f64::from(*expected);
        }
    }
    let mean = found.mean_embedding();
    assert_eq!(mean.len(), width);
    for (mean, sum) in mean.iter().zip(sums) {
        assert!((f64::from(*mean) - sum / found.clips.len() as f64).abs() < 1e-5);
    }
    let first = &found.clips[0].embedding;
    assert!(found.clips.iter().any(|clip| clip.embedding != *first), "the clips differ");
}

#[test]
fn a_file_a_reader_and_its_samples_are_told_alike_to_the_last_bit() {
    let (folder, samples) = (tempfile::tempdir().unwrap(), music(4.0, 22_050));
    let path = wav(folder.path(), &samples, 22_050);
    let identifier = identifier("whole");
    let of_file = identifier.identify(&path).unwrap();
    assert!((of_file.seconds - 4.0).abs() < 1e-3 && of_file.damage.is_none());
    let bytes = Cursor::new(std::fs::read(&path).unwrap());
    assert_eq!(identifier.identify_reader(bytes, Some("wav")).unwrap(), of_file);
    assert_eq!(identifier.identify_samples(&samples, 22_050).unwrap(), of_file);
}

#[test]
fn of_a_file_that_part_is_heard_that_the_training_had_unless_told_otherwise() {
    let (folder, samples) = (tempfile::tempdir().unwrap(), music(6.0, 16_000));
    let path = wav(folder.path(), &samples, 16_000);
    let of_middle = identifier("middle 2 s").identify(&path).unwrap();
    assert!((of_middle.start_seconds - 2.0).abs() < 1e-9);
    assert!((of_middle.clips[1].start_seconds - (2.0 + CLIP)).abs() < 1e-9);
    let of_samples = identifier("whole").identify_samples(&samples[32_000..64_000], 16_000);
    assert_eq!(of_middle.ranking, of_samples.unwrap().ranking);
    let told = identifier("middle 2 s").with_excerpt(Excerpt::Whole).identify(&path).unwrap();
    assert_eq!(told, identifier("whole").identify(&path).unwrap());
}

#[test]
fn probabilities_add_up_to_one_in_each_clip_and_in_the_ranking() {
    let found = identifier("whole").identify_samples(&music(5.0, 16_000), 16_000).unwrap();
    let sum: f64 = found.ranking.iter().map(|ranked| ranked.probability).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    assert!(found.ranking.is_sorted_by(|a, b| a.probability >= b.probability));
    for clip in &found.clips {
        let sum: f32 = clip.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
    assert_eq!(found.ranking.iter().map(|ranked| ranked.votes).sum::<usize>(), found.vote.voters);
}

#[test]
fn an_observer_hears_of_every_clip_and_may_stop_at_any_time() {
    let (folder, samples) = (tempfile::tempdir().unwrap(), music(10.0, 16_000));
    let path = wav(folder.path(), &samples, 16_000);
    let (mut decoded, mut identified) = (0.0, Vec::new());
    let found = identifier("whole").identify_observed(&path, |progress| {
        match progress {
            Progress::Decoded { seconds } => decoded = seconds,
            Progress::Identified { clips, of } => identified.push((clips, of)),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    assert_eq!(found.unwrap().clips.len(), 19);
    assert!((decoded - 10.0).abs() < 1e-9, "{decoded}");
    assert_eq!(identified, [(16, 19), (19, 19)]);

    let mut calls = 0;
    let stopped = identifier("whole").identify_observed(&path, |_| {
        calls += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(cantus::CantusError::Stopped)));
    assert_eq!(calls, 1);
}

#[test]
fn how_strange_music_is_stands_beside_and_means_something_where_it_was_measured() {
    let samples = music(3.0, 16_000);
    let mut file = model_file(front_end("whole"));
    let told = |file: &ModelFile| {
        let identifier = Identifier::from_bytes(&file.to_bytes().unwrap()).unwrap();
        identifier.identify_samples(&samples, 16_000).unwrap()
    };
    let bare = told(&file);
    let score = bare.stranger.score;
    let embeddings = bare.clips.iter().map(|clip| clip.embedding.as_slice());
    assert_eq!(score.to_bits(), stranger_score(embeddings).to_bits());
    assert_eq!(bare.stranger.odds, None);

    let (less, more) = (score - 0.01, score + 0.01);
    let scores = |measure: &str| {
        Some(OpenSet::new(measure, vec![0.0, less, less, score], vec![less, more]).unwrap())
    };
    file.open_set = scores("something else");
    assert_eq!(told(&file).stranger.odds, None);
    file.open_set = scores(STRANGER_MEASURE);
    let odds = told(&file).stranger.odds.unwrap();
    assert_eq!((odds.false_alarms, odds.found), (0.25, 0.5));
}

#[test]
fn the_stranger_score_is_what_the_clips_embeddings_lack_in_length() {
    let score = |embeddings: &[[f32; 4]]| {
        f64::from(stranger_score(embeddings.iter().map(<[f32; 4]>::as_slice)))
    };
    for (embeddings, expected) in [
        (&[[1.0, -1.0, 1.0, -1.0]][..], 0.0),
        (&[[0.0; 4]], 1.0),
        // Of 4 numbers the longest is 2, this is 1.
        (&[[0.5, -0.5, 0.5, 0.5]], 0.5),
        // The mean of lengths and not the length of the mean, which is 0 here.
        (&[[0.8; 4], [-0.4; 4]], 0.4),
    ] {
        assert!((score(embeddings) - expected).abs() < 1e-7, "{embeddings:?}");
    }
}
