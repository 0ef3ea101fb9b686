//! The loop around each network of the paper's code, made small.

use candle_core::{DType, Device};
use cantus_crnn::{Crnn1dConfig, Crnn2dConfig, Model, ModelConfig, RnnConfig};
use cantus_train::{Control, Event, Outcome, TrainConfig, TrainError, Trainer};

use crate::toy::{CLASSES, Ending, N_MELS, ending, go_on, toy_data};

fn crnn2d(block_dropout: f64) -> Crnn2dConfig {
    Crnn2dConfig {
        n_mels: N_MELS,
        filters: vec![4, 4],
        pools: vec![(4, 2), (4, 2)],
        gru_units: vec![6, 6],
        classes: CLASSES,
        block_dropout,
        // Running statistics that catch up within a short training.
        batch_norm_momentum: 0.9,
        ..Crnn2dConfig::default()
    }
}

/// Groups of two convolutions.
fn vgg() -> Crnn2dConfig {
    Crnn2dConfig { filters: vec![4; 4], pools: vec![(1, 1), (4, 2), (1, 1), (4, 1)], ..crnn2d(0.1) }
}

fn crnn1d() -> Crnn1dConfig {
    Crnn1dConfig {
        n_mels: N_MELS,
        filters: vec![6, 8],
        kernel_frames: 3,
        gru_units: vec![6, 6],
        classes: CLASSES,
        ..Crnn1dConfig::default()
    }
}

fn rnn() -> RnnConfig {
    RnnConfig { n_mels: N_MELS, lstm_units: vec![8, 6], classes: CLASSES, ..RnnConfig::default() }
}

fn networks() -> [ModelConfig; 4] {
    [crnn2d(0.1).into(), vgg().into(), crnn1d().into(), rnn().into()]
}

fn model(config: impl Into<ModelConfig>) -> Model {
    Model::new(config, 1, &Device::Cpu, DType::F32).unwrap()
}

fn config() -> TrainConfig {
    TrainConfig { epochs: 2, batch_size: 5, learning_rate: 0.01, ..TrainConfig::default() }
}

fn trainer(network: &ModelConfig) -> Trainer<Model> {
    Trainer::new(config(), model(network.clone()), toy_data(3)).unwrap()
}

fn uninterrupted(network: &ModelConfig) -> Ending {
    let mut trainer = trainer(network);
    trainer.run(&mut go_on).unwrap();
    ending(&trainer)
}

fn learns(network: impl Into<ModelConfig>, learning_rate: f64, epochs: usize) {
    let network = network.into();
    let config = TrainConfig { epochs, learning_rate, ..config() };
    let mut trainer = Trainer::new(config, model(network.clone()), toy_data(12)).unwrap();
    trainer.run(&mut go_on).unwrap();
    let best = trainer.best().unwrap().0.epoch;
    let record = &trainer.history()[best - 1];
    assert!(record.validation_accuracy > 0.9, "{network:?}: {record:?}");
    assert!(record.training_loss < trainer.history()[0].training_loss, "{network:?}: {record:?}");
}

#[test]
fn networks_with_normalisation_learn_to_tell_the_toy_artists_apart() {
    learns(crnn2d(0.1), 0.01, 12);
    learns(vgg(), 0.01, 12);
}

#[test]
fn networks_of_bare_decibels_learn_it_in_smaller_steps() {
    learns(crnn1d(), 0.002, 40);
    learns(rnn(), 0.002, 40);
}

#[test]
fn stopping_after_any_step_and_resuming_ends_with_the_same_bits() {
    for network in networks() {
        let expected = uninterrupted(&network);
        // Twelve clips in batches of five: three steps an epoch.
        for stop_after in 1..=6 {
            let (mut steps, mut last) = (0, Vec::new());
            let mut stopped = trainer(&network);
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
            let other = Model::new(network.clone(), 99, &Device::Cpu, DType::F32).unwrap();
            let mut again = Trainer::resume(&last, config(), other, toy_data(3)).unwrap();
            again.run(&mut go_on).unwrap();
            assert_eq!(ending(&again), expected, "{network:?}, stopped after step {stop_after}");
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    for network in networks() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| uninterrupted(&network))
        };
        assert_eq!(run(1), run(2), "{network:?}");
    }
}

#[test]
fn a_checkpoint_of_another_network_is_refused_by_the_setting_that_differs() {
    let checkpoint = trainer(&crnn2d(0.1).into()).checkpoint().unwrap();
    let resume = |network| Trainer::resume(&checkpoint, config(), network, toy_data(3));
    let error = resume(model(crnn2d(0.2))).unwrap_err();
    assert!(matches!(error, TrainError::CheckpointMismatch { field, checkpoint, now }
        if field == "network.crnn2d.block_dropout" && checkpoint == "0.1" && now == "0.2"));
    let error = resume(model(rnn())).unwrap_err();
    assert!(
        matches!(error, TrainError::CheckpointMismatch { field, .. }
        if field.starts_with("network.")),
        "another architecture"
    );
    let double = Model::new(crnn2d(0.1), 1, &Device::Cpu, DType::F64).unwrap();
    let error = resume(double).unwrap_err();
    assert!(matches!(error, TrainError::Disagreement { .. }), "{error:?}");
}
