//! Batches made in the background, a few ahead of the network, in a fixed order.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::augment::Augmenter;
use crate::clips::{Clip, ClipSet};
use crate::error::TrainError;
use crate::source::ClipSource;

/// Batches that wait, made, for the network; with the one being made and the one in use, memory
/// holds two more.
const BATCHES_AHEAD: usize = 2;

/// A batch as the network takes it.
pub(crate) struct Batch {
    /// `[clip, mel, frame]`.
    pub(crate) values: Vec<f32>,
    /// The class of each clip.
    pub(crate) classes: Vec<u32>,
}

/// Which batches to make: the clips of a set in a given order (their own, if none), cut into
/// batches of `batch_size`, from the batch `first` on.
#[derive(Clone, Copy)]
pub(crate) struct BatchPlan<'a> {
    pub(crate) clips: &'a ClipSet,
    pub(crate) order: Option<&'a [u32]>,
    pub(crate) batch_size: usize,
    pub(crate) first: usize,
    /// How clips are changed on the way, if they are.
    pub(crate) augment: Option<Augmenter>,
}

impl<'a> BatchPlan<'a> {
    /// All clips of a set as they are, in their own order.
    pub(crate) fn whole(clips: &'a ClipSet, batch_size: usize) -> Self {
        Self { clips, order: None, batch_size, first: 0, augment: None }
    }
}

impl BatchPlan<'_> {
    /// How many batches the whole set makes, those before `first` included.
    pub(crate) fn batches(&self) -> usize {
        self.clips.len().div_ceil(self.batch_size)
    }

    fn range(&self, batch: usize) -> Range<usize> {
        let start = batch * self.batch_size;
        start..self.clips.len().min(start + self.batch_size)
    }

    fn clip(&self, position: usize) -> Clip {
        let index = self.order.map_or(position, |order| order[position] as usize);
        self.clips.clips()[index]
    }

    fn make(&self, source: &dyn ClipSource, batch: usize) -> Result<Batch, TrainError> {
        let (n_frames, positions) = (self.clips.frames_per_clip(), self.range(batch));
        let size = source.n_mels() * n_frames;
        let mut values = vec![0.0; positions.len() * size];
        let mut classes = Vec::with_capacity(positions.len());
        for (position, out) in positions.zip(values.chunks_exact_mut(size)) {
            let Clip { song, mut first_frame, class } = self.clip(position);
            let mut chance = self.augment.map(|augment| (augment, augment.draws(position)));
            if let Some((augment, draws)) = &mut chance {
                let frames = source.n_frames(song).unwrap_or(0);
                first_frame = augment.first_frame(draws, first_frame, n_frames, frames);
            }
            source
                .read_clip(song, first_frame, n_frames, out)
                .map_err(|source| TrainError::Source { song, first_frame, n_frames, source })?;
            if let Some((augment, draws)) = &mut chance {
                augment.change(draws, out, n_frames);
            }
            classes.push(class as u32);
        }
        Ok(Batch { values, classes })
    }
}

/// The batches as they arrive.
pub(crate) struct Batches(Receiver<Result<Batch, TrainError>>);

impl Iterator for Batches {
    type Item = Result<Batch, TrainError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.recv().ok()
    }
}

/// Runs `consume` over the batches of a plan while a thread makes them. Whoever ends first, the
/// other follows; a panic of the source goes on in the caller.
pub(crate) fn with_batches<T>(
    source: &dyn ClipSource,
    plan: BatchPlan<'_>,
    consume: impl FnOnce(Batches) -> T,
) -> T {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        let producer = scope.spawn(move || {
            for batch in plan.first..plan.batches() {
                let made = plan.make(source, batch);
                let is_last = made.is_err();
                if sender.send(made).is_err() || is_last {
                    break;
                }
            }
        });
        let result = consume(Batches(receiver));
        if let Err(panic) = producer.join() {
            std::panic::resume_unwind(panic);
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Augment;
    use crate::source::SourceError;

    /// One band; each frame's value is `100 * song + frame`. Song 9 cannot be read.
    struct Counting;

    impl ClipSource for Counting {
        fn n_mels(&self) -> usize {
            1
        }

        fn n_frames(&self, _song: usize) -> Option<usize> {
            Some(50)
        }

        fn read_clip(
            &self,
            song: usize,
            first_frame: usize,
            n_frames: usize,
            out: &mut [f32],
        ) -> Result<(), SourceError> {
            if song == 9 {
                return Err("gone".into());
            }
            assert!(song != 8, "a source that panics");
            for (value, frame) in out.iter_mut().zip(first_frame..first_frame + n_frames) {
                *value = (100 * song + frame) as f32;
            }
            Ok(())
        }
    }

    fn clips(songs: &[usize]) -> ClipSet {
        let clip = |&song| Clip { song, first_frame: 10 * song, class: song + 1 };
        ClipSet::new(songs.iter().map(clip).collect(), 2)
    }

    #[test]
    fn batches_come_in_order_from_the_first_wanted_with_a_smaller_last_one() {
        let clips = clips(&[0, 1, 2, 3, 4]);
        let order = [4, 3, 2, 1, 0];
        let plan = BatchPlan { order: Some(&order), first: 1, ..BatchPlan::whole(&clips, 2) };
        assert_eq!(plan.batches(), 3);
        let got: Vec<_> = with_batches(&Counting, plan, |batches| {
            batches.map(|batch| batch.map(|b| (b.values, b.classes)).unwrap()).collect()
        });
        let expected = [
            (vec![220.0, 221.0, 110.0, 111.0], vec![3, 2]), // songs 2 and 1
            (vec![0.0, 1.0], vec![1]),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn clips_that_are_learnt_from_are_shifted_and_filtered_anew_each_epoch_and_others_never() {
        let clips = ClipSet::new(vec![Clip { song: 0, first_frame: 20, class: 0 }; 40], 2);
        let values = |augment: Option<Augmenter>| -> Vec<f32> {
            let plan = BatchPlan { augment, ..BatchPlan::whole(&clips, 40) };
            with_batches(&Counting, plan, |mut batches| batches.next().unwrap().unwrap().values)
        };
        let settings = Augment { shift: 1.0, filter_decibels: 3.0, ..Augment::default() };
        let of_epoch = |epoch| values(Some(Augmenter { settings, seed: 1, epoch }));
        let (first, second) = (of_epoch(1), of_epoch(2));
        assert_ne!(first, second);
        assert_eq!(first, of_epoch(1));
        // A clip of frames 20 and 21, up to two earlier or later and 3 dB louder or softer; both frames
        // of a clip get the same.
        for clip in first.chunks_exact(2) {
            assert!((15.0..=25.0).contains(&clip[0]) && (clip[1] - clip[0] - 1.0).abs() < 1e-5);
        }
        let is_moved = |clip: &&[f32]| (clip[0] - 20.0).abs() > 3.0;
        assert!(first.chunks_exact(2).filter(is_moved).count() > 0, "by more than any filter");
        let is_between = |clip: &&[f32]| clip[0].fract().abs() > 1e-3;
        assert!(first.chunks_exact(2).filter(is_between).count() > 20, "by no whole frame");
        assert!(values(None).chunks_exact(2).all(|clip| *clip == [20.0, 21.0]));
    }

    #[test]
    fn an_error_of_the_source_arrives_after_the_batches_before_it_and_ends_them() {
        let clips = clips(&[1, 9, 2]);
        let plan = BatchPlan::whole(&clips, 1);
        let got: Vec<_> = with_batches(&Counting, plan, |batches| {
            batches.map(|batch| batch.map(|_| ()).map_err(|e| e.to_string())).collect()
        });
        assert_eq!(got, [Ok(()), Err("reading 2 frames from 90 of song 9".to_owned())]);
    }

    #[test]
    fn a_caller_that_leaves_early_does_not_hang() {
        let clips = clips(&[1; 40]);
        let plan = BatchPlan::whole(&clips, 1);
        assert!(with_batches(&Counting, plan, |mut batches| batches.next()).is_some());
    }

    #[test]
    #[should_panic = "a source that panics"]
    fn a_panic_of_the_source_reaches_the_caller() {
        let clips = clips(&[8]);
        let plan = BatchPlan::whole(&clips, 1);
        with_batches(&Counting, plan, Iterator::count);
    }
}
