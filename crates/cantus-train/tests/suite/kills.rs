//! A real SIGKILL at every moment of a training, and going on from the files that are left.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cantus_train::{Augment, Control, Event, Outcome, Schedule, TrainConfig, Trainer};

use crate::toy::{Tiny, toy_config, toy_data};

const FOLDER: &str = "CANTUS_TEST_KILL_FOLDER";
const MOMENT: &str = "CANTUS_TEST_KILL_MOMENT";

fn config() -> TrainConfig {
    // Three steps and two validation batches an epoch.
    // Everything that is drawn by chance or changes with the steps is on.
    TrainConfig {
        epochs: 2,
        batch_size: 8,
        schedule: Schedule::Cosine,
        warm_up_epochs: 1,
        weight_decay: 0.1,
        label_smoothing: 0.1,
        augment: Augment {
            shift: 0.5,
            filter_decibels: 6.0,
            time_masks: 1,
            time_mask: 0.3,
            mel_masks: 1,
            mel_mask: 0.3,
        },
        ..toy_config()
    }
}

/// Moments are counted, and at one of them this process kills itself.
struct Moments {
    passed: Cell<usize>,
    last: Option<usize>,
}

impl Moments {
    fn pass(&self) {
        self.passed.set(self.passed.get() + 1);
        if self.last == Some(self.passed.get()) {
            let own = std::process::id().to_string();
            assert!(Command::new("kill").args(["-KILL", &own]).status().unwrap().success());
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }

    /// As a careful caller keeps a checkpoint: whole under another name, then renamed.
    fn save(&self, folder: &Path, bytes: &[u8]) {
        let (first_half, second_half) = bytes.split_at(bytes.len() / 2);
        let path = folder.join("checkpoint.part");
        fs::write(&path, first_half).unwrap();
        self.pass();
        fs::write(&path, [first_half, second_half].concat()).unwrap();
        self.pass();
        fs::rename(&path, folder.join("checkpoint")).unwrap();
    }
}

/// Trains in `folder`, from its checkpoint where there is one, and leaves all that there is of a
/// training at its end.
fn train(folder: &Path, moments: &Moments) {
    let mut trainer = match fs::read(folder.join("checkpoint")) {
        Ok(bytes) => Trainer::resume(&bytes, config(), Tiny::new(), toy_data(6)).unwrap(),
        Err(_) => Trainer::new(config(), Tiny::new(), toy_data(6)).unwrap(),
    };
    let outcome = trainer.run(&mut |event| {
        moments.pass();
        let control = match event {
            // After every second step, so that steps are lost as well.
            Event::Step(step) if step.step.is_multiple_of(2) => Control::Checkpoint,
            Event::Checkpoint(bytes) => {
                moments.save(folder, &bytes);
                Control::Continue
            }
            _ => Control::Continue,
        };
        moments.pass();
        control
    });
    assert_eq!(outcome.unwrap(), Outcome::MaxEpochs);
    fs::write(folder.join("end"), trainer.checkpoint().unwrap()).unwrap();
    fs::write(folder.join("moments"), moments.passed.get().to_string()).unwrap();
}

#[test]
#[ignore = "the process that the test below starts and that kills itself"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let last = std::env::var(MOMENT).ok().map(|moment| moment.parse().unwrap());
    train(Path::new(&folder), &Moments { passed: Cell::new(0), last });
}

/// Runs the child to its end or its death; true if it came to its end.
fn run_child(folder: &Path, moment: Option<usize>) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "kills::child", "--ignored"]).env(FOLDER, folder);
    if let Some(moment) = moment {
        child.env(MOMENT, moment.to_string());
    }
    let output = child.output().unwrap();
    let is_whole = output.status.success();
    let was_killed = output.status.code().is_none();
    assert!(is_whole || was_killed, "{}", String::from_utf8_lossy(&output.stdout));
    is_whole
}

#[test]
fn killed_at_any_moment_and_started_again_it_ends_with_the_same_bytes() {
    let undisturbed = tempfile::tempdir().unwrap();
    assert!(run_child(undisturbed.path(), None));
    let end = fs::read(undisturbed.path().join("end")).unwrap();
    let moments: usize =
        fs::read_to_string(undisturbed.path().join("moments")).unwrap().parse().unwrap();
    // Of each epoch: 3 steps, 1 checkpoint after them, 2 validation batches, the end of the epoch
    // and its checkpoint, each with a moment before and after, and two inside each checkpoint.
    assert!(moments >= 2 * (2 * 8 + 2 * 2), "{moments}");
    for moment in 1..=moments {
        let folder = tempfile::tempdir().unwrap();
        assert!(!run_child(folder.path(), Some(moment)), "moment {moment} never came");
        assert!(run_child(folder.path(), None));
        assert!(fs::read(folder.path().join("end")).unwrap() == end, "killed at moment {moment}");
    }
    eprintln!("killed at {moments} moments, each time to the same bytes");

    // Killed again and again, always so soon that it gets just past the next checkpoint.
    let folder = tempfile::tempdir().unwrap();
    let mut kills = 0;
    while !run_child(folder.path(), Some(15)) {
        kills += 1;
        assert!(kills < 100, "it never gets further");
    }
    assert!(kills >= 2, "{kills}");
    assert!(fs::read(folder.path().join("end")).unwrap() == end);
}
