//! What a training learns, tells, and refuses.

use cantus_train::{
    ClassWeights, ClipSet, Control, Event, Network, Outcome, TrainConfig, TrainError, Trainer,
    predict,
};

use crate::toy::{CLASSES, Tiny, ToySource, go_on, toy_config, toy_data, toy_data_of};

#[test]
fn a_separable_problem_is_learnt_and_the_best_weights_are_kept() {
    let mut trainer = Trainer::new(toy_config(), Tiny::new(), toy_data(12)).unwrap();
    assert_eq!(trainer.run(&mut go_on).unwrap(), Outcome::MaxEpochs);
    let history = trainer.history();
    assert_eq!(history.len(), 5);
    assert!(history[4].validation_accuracy > 0.9, "{history:?}");
    assert!(history[4].training_loss < 0.5 * history[0].training_loss, "{history:?}");
    let (best, weights) = trainer.best().unwrap();
    let lowest = history.iter().map(|record| record.validation_loss).fold(f64::MAX, f64::min);
    assert_eq!(best.validation_loss.to_bits(), lowest.to_bits());

    // The kept weights, put into another network, give the recorded validation accuracy.
    let (mut network, data) = (Tiny::new(), toy_data(12));
    network.load_tensors(weights).unwrap();
    let mut done = Vec::new();
    let found = predict(&network, data.source.as_ref(), &data.validation, 5, &mut |n, of| {
        done.push((n, of));
        Control::Continue
    })
    .unwrap();
    assert_eq!(done, [(5, 12), (10, 12), (12, 12)]);
    let right = data.validation.clips().iter().enumerate().filter(|(i, clip)| {
        let row = found.probabilities_of(*i);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(found.embedding_of(*i).len(), 8);
        row.iter().all(|&p| p <= row[clip.class])
    });
    let accuracy = right.count() as f64 / 12.0;
    assert!((accuracy - history[best.epoch - 1].validation_accuracy).abs() < 1e-12);
}

#[test]
fn training_stops_after_as_many_epochs_without_a_better_loss_as_the_patience() {
    // A step size at which nothing is learnt but noise soon makes the validation loss rise.
    let config = TrainConfig { epochs: 100, patience: 3, learning_rate: 3.0, ..toy_config() };
    let mut trainer = Trainer::new(config, Tiny::new(), toy_data(6)).unwrap();
    assert_eq!(trainer.run(&mut go_on).unwrap(), Outcome::EarlyStop);
    let (best, _) = trainer.best().unwrap();
    assert_eq!(trainer.history().len(), best.epoch + 3);
    assert!(trainer.history().len() < 100);
    assert!(trainer.history()[best.epoch - 1].is_best);
    assert!(trainer.history()[best.epoch..].iter().all(|record| !record.is_best));
    assert_eq!(trainer.run(&mut go_on).unwrap(), Outcome::EarlyStop, "there is nothing to go on");
}

#[test]
fn events_come_in_order_and_report_running_means() {
    let config = TrainConfig { epochs: 2, ..toy_config() };
    let mut trainer = Trainer::new(config, Tiny::new(), toy_data(6)).unwrap();
    let mut seen = Vec::new();
    let (mut loss, mut clips) = (0.0, 0);
    trainer
        .run(&mut |event| {
            match event {
                Event::Step(report) => {
                    seen.push(format!("s{}/{}", report.step, report.of));
                    loss += report.batch_loss * report.clips as f64;
                    clips += report.clips;
                    assert!((report.loss - loss / clips as f64).abs() < 1e-12);
                }
                Event::Validation { step, of, .. } => seen.push(format!("v{step}/{of}")),
                Event::EpochEnd { record, history } => {
                    seen.push(format!("e{}", record.epoch));
                    assert_eq!((clips, history.last()), (24, Some(record)));
                    assert!((record.training_loss - loss / 24.0).abs() < 1e-12);
                    (loss, clips) = (0.0, 0);
                }
                Event::BestModel(weights) => {
                    seen.push(format!("b{}", weights.len()));
                }
                Event::Checkpoint(_) => seen.push("c".to_owned()),
                Event::Finished(outcome) => seen.push(format!("{outcome:?}")),
                _ => panic!("an unknown event"),
            }
            Control::Continue
        })
        .unwrap();
    // 24 clips are 3 batches of 7 and one of 3; both epochs are better than the one before.
    let epoch = |n| format!("s1/4 s2/4 s3/4 s4/4 v1/2 v2/2 e{n} b5 c");
    assert_eq!(seen.join(" "), format!("{} {} MaxEpochs", epoch(1), epoch(2)));
}

#[test]
fn balanced_class_weights_change_what_is_learnt() {
    let first_loss = |class_weights, drop_clips| {
        let mut data = toy_data(6);
        let clips = data.training.clips()[drop_clips..].to_vec();
        data.training = ClipSet::new(clips, 16);
        let config = TrainConfig { class_weights, epochs: 1, ..toy_config() };
        let mut trainer = Trainer::new(config, Tiny::new(), data).unwrap();
        trainer.run(&mut go_on).unwrap();
        trainer.history()[0].training_loss
    };
    let compare = |drop| {
        (first_loss(ClassWeights::None, drop) - first_loss(ClassWeights::Balanced, drop)).abs()
    };
    assert!(compare(0) < 1e-12, "equal classes weigh the same");
    assert!(compare(4) > 1e-3, "one class has half as many clips as the others");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(toy_config(), Tiny::new(), toy_data(6)).unwrap();
            trainer.run(&mut go_on).unwrap();
            crate::toy::ending(&trainer)
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn the_seed_changes_order_and_dropout() {
    let run = |seed| {
        let config = TrainConfig { seed, epochs: 1, ..toy_config() };
        let mut trainer = Trainer::new(config, Tiny::new(), toy_data(6)).unwrap();
        trainer.run(&mut go_on).unwrap();
        trainer.history()[0].training_loss.to_bits()
    };
    assert_ne!(run(0), run(1));
}

/// Trains with NaN in one clip; returns the error, and the last checkpoint before it.
fn train_spoilt(spoilt: (usize, usize)) -> (TrainError, Option<Vec<u8>>, Trainer<Tiny>) {
    let source = ToySource { songs: 9, spoilt: Some(spoilt) };
    let mut trainer = Trainer::new(toy_config(), Tiny::new(), toy_data_of(source)).unwrap();
    let mut last = None;
    let error = trainer.run(&mut |event| match event {
        Event::Step(_) => Control::Checkpoint,
        Event::Checkpoint(bytes) => {
            last = Some(bytes);
            Control::Continue
        }
        _ => Control::Continue,
    });
    (error.unwrap_err(), last, trainer)
}

#[test]
fn nan_in_a_clip_is_named_with_epoch_and_step_and_leaves_the_last_checkpoint_good() {
    let mut failures_by_step = [0; 4];
    for clip in 0..24 {
        let (error, last, trainer) = train_spoilt((clip / 4, clip % 4 * 16 + 7));
        let TrainError::NotFinite { what, epoch: 1, step } = &error else { panic!("{error:?}") };
        assert_eq!(what, "the training loss");
        assert!(error.to_string().contains("hint: lower the learning rate"), "{error}");
        failures_by_step[step - 1] += 1;
        assert_eq!(trainer.steps(), *step as u64 - 1);
        // The bad batch changed nothing: the state is still that of the last checkpoint.
        if let Some(last) = last {
            assert_eq!(trainer.checkpoint().unwrap(), last);
        }
    }
    // Each clip is in one batch of the epoch: three of seven and one of three.
    assert_eq!(failures_by_step, [7, 7, 7, 3]);
}

#[test]
fn nan_in_the_validation_set_is_named() {
    let source = ToySource { songs: 9, spoilt: Some((8, 0)) };
    let mut trainer = Trainer::new(toy_config(), Tiny::new(), toy_data_of(source)).unwrap();
    let error = trainer.run(&mut go_on).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { what, epoch: 1, step: 2 }
        if what == "the validation loss"));
    assert!(trainer.history().is_empty());
}

#[test]
fn parts_that_do_not_fit_together_are_refused_by_name() {
    let refuse = |edit: fn(&mut cantus_train::TrainingData)| {
        let mut data = toy_data(6);
        edit(&mut data);
        Trainer::new(toy_config(), Tiny::new(), data).unwrap_err().to_string()
    };
    let said = refuse(|data| data.validation = ClipSet::new(Vec::new(), 16));
    assert!(said.starts_with("the validation set has no clip of 16 frames"), "{said}");
    assert!(said.contains("hint:"), "{said}");
    let said = refuse(|data| data.training = ClipSet::new(Vec::new(), 16));
    assert!(said.starts_with("the training set has no clip"), "{said}");
    let said = refuse(|data| data.labels.push("one more".into()));
    assert_eq!(said, "classes of the network and labels: expected 3, found 4");
    let said = refuse(|data| {
        let mut clips = data.training.clips().to_vec();
        clips[1].class = CLASSES;
        data.training = ClipSet::new(clips, 16);
    });
    assert_eq!(said, "a clip of song 0 has class 3, but there are 3 labels");
    let said = refuse(|data| {
        data.training = ClipSet::new(data.training.clips().to_vec(), 64);
    });
    assert_eq!(said, "clip 1 asks for the 64 frames from 16 of song 0, which has 70");
    let config = TrainConfig { batch_size: 0, ..toy_config() };
    let said = Trainer::new(config, Tiny::new(), toy_data(6)).unwrap_err().to_string();
    assert_eq!(said, "the setting `batch_size` is 0, expected at least 1");
}

#[test]
fn a_prediction_stops_on_request() {
    let data = toy_data(6);
    let stop = &mut |_, _| Control::Stop;
    let stopped = predict(&Tiny::new(), data.source.as_ref(), &data.training, 4, stop);
    assert!(matches!(stopped, Err(TrainError::Interrupted)));
}
