//! The loop around the paper's network, made small.

use candle_core::{DType, Device};
use cantus_crnn::{Crnn2d, Crnn2dConfig};
use cantus_train::{Control, Event, Outcome, TrainConfig, TrainError, Trainer};

use crate::toy::{CLASSES, Ending, N_MELS, ending, go_on, toy_data};

fn network(block_dropout: f64) -> Crnn2d {
    let config = Crnn2dConfig {
        n_mels: N_MELS,
        filters: vec![4, 4],
        pools: vec![(4, 2), (4, 2)],
        gru_units: vec![6, 6],
        classes: CLASSES,
        block_dropout,
        // Running statistics that catch up within a short training.
        batch_norm_momentum: 0.9,
        ..Crnn2dConfig::default()
    };
    Crnn2d::new(config, 1, &Device::Cpu, DType::F32).unwrap()
}

fn config() -> TrainConfig {
    TrainConfig { epochs: 2, batch_size: 5, learning_rate: 0.01, ..TrainConfig::default() }
}

fn trainer() -> Trainer<Crnn2d> {
    Trainer::new(config(), network(0.1), toy_data(3)).unwrap()
}

fn uninterrupted() -> Ending {
    let mut trainer = trainer();
    trainer.run(&mut go_on).unwrap();
    ending(&trainer)
}

#[test]
fn the_network_learns_to_tell_the_toy_artists_apart() {
    let config = TrainConfig { epochs: 12, ..config() };
    let mut trainer = Trainer::new(config, network(0.1), toy_data(12)).unwrap();
    trainer.run(&mut go_on).unwrap();
    let best = trainer.best().unwrap().0.epoch;
    let record = &trainer.history()[best - 1];
    assert!(record.validation_accuracy > 0.9, "{record:?}");
}

#[test]
fn stopping_after_any_step_and_resuming_ends_with_the_same_bits() {
    let expected = uninterrupted();
    // Twelve clips in batches of five: three steps an epoch.
    for stop_after in 1..=6 {
        let (mut steps, mut last) = (0, Vec::new());
        let mut stopped = trainer();
        let outcome = stopped.run(&mut |event| match event {
            Event::Step(_) => {
                steps += 1;
                if steps == stop_after { Control::Stop } else { Control::Continue }
            }
            Event::Checkpoint(bytes) => {
                last = bytes;
                Control::Continue
            }
            _ => Control::Continue,
        });
        assert_eq!(outcome.unwrap(), Outcome::Interrupted);
        // Another network's first weights: all of them must come from the checkpoint.
        let other = Crnn2d::new(network(0.1).config().clone(), 99, &Device::Cpu, DType::F32);
        let mut again = Trainer::resume(&last, config(), other.unwrap(), toy_data(3)).unwrap();
        again.run(&mut go_on).unwrap();
        assert_eq!(ending(&again), expected, "stopped after step {stop_after}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(uninterrupted)
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn a_checkpoint_of_another_network_is_refused_by_the_setting_that_differs() {
    let checkpoint = trainer().checkpoint().unwrap();
    let error = Trainer::resume(&checkpoint, config(), network(0.2), toy_data(3)).unwrap_err();
    assert!(matches!(error, TrainError::CheckpointMismatch { field, checkpoint, now }
        if field == "network.crnn2d.block_dropout" && checkpoint == "0.1" && now == "0.2"));
    let double = Crnn2d::new(network(0.1).config().clone(), 1, &Device::Cpu, DType::F64).unwrap();
    let error = Trainer::resume(&checkpoint, config(), double, toy_data(3)).unwrap_err();
    assert!(matches!(error, TrainError::Disagreement { .. }), "{error:?}");
}
