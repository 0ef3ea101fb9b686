//! Stopping anywhere and going on: to the same bits as never having stopped.

use cantus_train::{Control, Event, Outcome, TrainConfig, TrainError, Trainer};

use crate::toy::{Tiny, ending, go_on, toy_config, toy_data};

fn config() -> TrainConfig {
    // 24 clips in batches of 7: four steps and two validation batches an epoch.
    TrainConfig { epochs: 3, ..toy_config() }
}

fn uninterrupted() -> Trainer<Tiny> {
    let mut trainer = Trainer::new(config(), Tiny::new(), toy_data(6)).unwrap();
    trainer.run(&mut go_on).unwrap();
    trainer
}

/// Runs until `is_time` says so, and returns the last checkpoint handed over.
fn stop_when(is_time: &mut dyn FnMut(&Event<'_>) -> bool) -> Option<Vec<u8>> {
    let mut trainer = Trainer::new(config(), Tiny::new(), toy_data(6)).unwrap();
    let mut last = None;
    let outcome = trainer
        .run(&mut |event| {
            let control = if is_time(&event) { Control::Stop } else { Control::Continue };
            if let Event::Checkpoint(bytes) = event {
                last = Some(bytes);
            }
            control
        })
        .unwrap();
    (outcome == Outcome::Interrupted).then_some(last).flatten()
}

fn resumed(checkpoint: &[u8]) -> Trainer<Tiny> {
    Trainer::resume(checkpoint, config(), Tiny::new(), toy_data(6)).unwrap()
}

#[test]
fn stopping_at_any_event_and_resuming_ends_with_the_same_bits() {
    let expected = ending(&uninterrupted());
    let mut stops = 0;
    for stop_at in 0.. {
        let mut events = 0;
        let checkpoint = stop_when(&mut |_| {
            events += 1;
            events > stop_at
        });
        let Some(checkpoint) = checkpoint else { break };
        let mut trainer = resumed(&checkpoint);
        assert_eq!(trainer.run(&mut go_on).unwrap(), Outcome::MaxEpochs);
        assert_eq!(ending(&trainer), expected, "stopped at event {stop_at}");
        stops += 1;
    }
    // Two epochs of 4 steps, 2 validation batches, an end, a best model and a checkpoint, and the
    // steps and validation batches of the third, after which there is nothing left to stop.
    assert!(stops >= 22, "{stops}");
}

#[test]
fn a_kill_after_any_checkpoint_and_resuming_ends_with_the_same_bits() {
    // A killed process leaves an older checkpoint than its last step.
    let mut checkpoints = Vec::new();
    let mut trainer = Trainer::new(config(), Tiny::new(), toy_data(6)).unwrap();
    trainer
        .run(&mut |event| {
            if let Event::Checkpoint(bytes) = event {
                checkpoints.push(bytes);
            }
            Control::Checkpoint
        })
        .unwrap();
    assert_eq!(checkpoints.len(), 3 * (4 + 1));
    for checkpoint in checkpoints {
        let mut again = resumed(&checkpoint);
        again.run(&mut go_on).unwrap();
        assert_eq!(ending(&again), ending(&trainer));
    }
}

#[test]
fn stopping_again_and_again_ends_with_the_same_bits() {
    let mut trainer = Trainer::new(config(), Tiny::new(), toy_data(6)).unwrap();
    let mut runs = 0;
    loop {
        let mut last = None;
        let outcome = trainer
            .run(&mut |event| match event {
                Event::Checkpoint(bytes) => {
                    last = Some(bytes);
                    Control::Continue
                }
                Event::Step(_) => Control::Stop,
                _ => Control::Continue,
            })
            .unwrap();
        runs += 1;
        if outcome != Outcome::Interrupted {
            break;
        }
        trainer = resumed(&last.unwrap());
    }
    assert_eq!(runs, 3 * 4 + 1);
    assert_eq!(ending(&trainer), ending(&uninterrupted()));
}

#[test]
fn a_finished_training_stays_finished_when_resumed() {
    let trainer = uninterrupted();
    let mut again = resumed(&trainer.checkpoint().unwrap());
    let mut events = 0;
    let outcome = again.run(&mut |_| {
        events += 1;
        Control::Continue
    });
    assert_eq!((outcome.unwrap(), events), (Outcome::MaxEpochs, 1));
    assert_eq!(ending(&again), ending(&trainer));
}

#[test]
fn the_bytes_of_a_checkpoint_are_the_same_every_time() {
    let trainer = uninterrupted();
    assert_eq!(trainer.checkpoint().unwrap(), trainer.checkpoint().unwrap());
}

#[test]
fn another_training_is_refused_by_the_field_that_differs() {
    let checkpoint = uninterrupted().checkpoint().unwrap();
    let mismatch = |edit: &dyn Fn(&mut TrainConfig, &mut cantus_train::TrainingData)| {
        let (mut config, mut data) = (config(), toy_data(6));
        edit(&mut config, &mut data);
        match Trainer::resume(&checkpoint, config, Tiny::new(), data) {
            Err(TrainError::CheckpointMismatch { field, checkpoint, now }) => {
                format!("{field} {checkpoint} {now}")
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    assert_eq!(mismatch(&|config, _| config.learning_rate = 0.5), "config.learning_rate 0.02 0.5");
    assert_eq!(mismatch(&|config, _| config.seed = 4), "config.seed 3 4");
    assert_eq!(
        mismatch(&|_, data| data.labels.swap(0, 1)),
        r#"labels ["artist 0","artist 1","artist 2"] ["artist 1","artist 0","artist 2"]"#
    );
    assert_eq!(mismatch(&|_, data| *data = toy_data(7)), "training.clips 24 28");
    assert_eq!(
        mismatch(&|_, data| data.identity = "other songs".into()),
        r#"data "toy" "other songs""#
    );
    let said = mismatch(&|_, data| {
        let mut clips = data.training.clips().to_vec();
        clips.swap(0, 1);
        data.training = cantus_train::ClipSet::new(clips, 16);
    });
    assert!(said.starts_with("training.digest "), "{said}");
}

#[test]
fn damaged_bytes_are_refused() {
    let whole = uninterrupted().checkpoint().unwrap();
    let refusal = |bytes: &[u8]| match Trainer::resume(bytes, config(), Tiny::new(), toy_data(6))
        .map(|_| ())
    {
        Err(TrainError::CheckpointDamaged { reason }) => reason,
        other => panic!("{other:?}"),
    };
    for length in (0..whole.len()).step_by(whole.len() / 40).chain([whole.len() - 1]) {
        refusal(&whole[..length]);
    }
    refusal(b"not a checkpoint, but longer than a header's length");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for position in (header..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[position] ^= 1;
        assert_eq!(refusal(&flipped), "its content does not have the hash in its header");
    }
}

#[test]
fn a_changed_header_is_refused_or_changes_nothing() {
    let whole = uninterrupted().checkpoint().unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for position in 0..header {
        let mut flipped = whole.clone();
        flipped[position] ^= 4;
        if let Ok(trainer) = Trainer::resume(&flipped, config(), Tiny::new(), toy_data(6)) {
            assert_eq!(trainer.checkpoint().unwrap(), whole, "byte {position}");
        }
    }
}

#[test]
fn another_format_is_named() {
    let whole = uninterrupted().checkpoint().unwrap();
    let mut other = whole.clone();
    let needle = br#"{\"format\":1,"#;
    let at = whole.windows(needle.len()).position(|bytes| bytes == needle).unwrap();
    other[at + needle.len() - 2] = b'7';
    let error = Trainer::resume(&other, config(), Tiny::new(), toy_data(6)).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint has format 7, this version reads format 1");
}
