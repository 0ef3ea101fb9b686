//! Which trained model a flag means.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, bail};
use cantus_crnn::ModelFile;

use crate::data_folder::DataFolder;
use crate::session::{Session, count};
use crate::stages::train::{calibrated_path, model_path};

/// The value of `--weights` that asks for the model of the repository.
const BUNDLED: &str = "bundled";

/// The model to be asked: the one that the flag [names](named); without a flag that of the newest of all
/// runs, and where nothing was trained the bundled one, which is said. Of a run that was calibrated it is
/// the calibrated one.
pub(crate) fn find(flag: Option<&Path>, session: &Session) -> Result<PathBuf> {
    if let Some(given) = flag {
        let model = named(given, &session.data)?;
        return Ok(if given.is_dir() { calibrated_or(model) } else { model });
    }
    let models = newest_last(&session.data.runs());
    let Some(newest) = models.last().cloned().map(calibrated_or) else {
        let bundled = bundled(&session.data)?;
        session.progress.say(
            "asking the bundled model, which knows some artists of free music; `cargo xtask train \
             --corpus DIR` trains one on yours",
        );
        return Ok(bundled);
    };
    session.progress.say(match models.len() {
        1 => format!("asking {}; `--weights bundled` asks the bundled model", newest.display()),
        several => format!(
            "asking {}, the newest of {}; `--weights` names another",
            newest.display(),
            count(several, "model")
        ),
    });
    Ok(newest)
}

/// The calibrated model beside a run's, unless the run was trained since: it has the weights of the
/// model that was calibrated.
fn calibrated_or(model: PathBuf) -> PathBuf {
    let calibrated = model.parent().map(calibrated_path).filter(|path| path.is_file());
    let Some(calibrated) = calibrated else { return model };
    // One that is damaged is not passed over in silence: opening it says what is wrong.
    match (bytes_without_open_set(&calibrated), bytes_without_open_set(&model)) {
        (Ok(calibration), Ok(training)) if calibration == training => calibrated,
        (Err(_), _) => calibrated,
        _ => model,
    }
}

/// A model's bytes without what a calibration adds.
fn bytes_without_open_set(path: &Path) -> Result<Vec<u8>> {
    let model = ModelFile { open_set: None, ..ModelFile::read(path)? };
    Ok(model.to_bytes()?)
}

/// The model that comes with the repository: of this data folder, or of the checkout that the command was
/// built in.
pub(crate) fn bundled(data: &DataFolder) -> Result<PathBuf> {
    let of_checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    let folders = [data.models(), of_checkout.join("models")];
    let models = folders.map(|folder| folder.join("freemusic20.safetensors"));
    if let Some(model) = models.iter().find(|model| model.is_file()) {
        return Ok(model.clone());
    }
    bail!(
        "the bundled model is not in `{}`\n\n\
         hint: `git checkout data/models` brings it back, `cargo xtask train --corpus DIR` trains one \
         on your music, and `--weights FILE` names one that lies elsewhere",
        models[0].display()
    );
}

/// Whether a flag's value asks for the model of the repository.
pub(crate) fn is_bundled(given: &Path) -> bool {
    given.as_os_str() == BUNDLED
}

/// The model file that a flag's value means: itself, the one in the folder of a run, or the bundled one.
pub(crate) fn named(given: &Path, data: &DataFolder) -> Result<PathBuf> {
    if is_bundled(given) {
        return bundled(data);
    }
    // What cannot be looked at may be there: reading it says why.
    if !given.try_exists().unwrap_or(true) {
        bail!(
            "there is no model `{}`\n\n\
             hint: name a model file, the folder of a run as `cargo xtask train` prints it, or `{BUNDLED}`",
            given.display()
        );
    }
    if !given.is_dir() {
        return Ok(given.to_owned());
    }
    let model = model_path(given);
    if model.exists() {
        return Ok(model);
    }
    // One too high in the tree: the folder of a corpus, or of all runs.
    let below = [in_folders_of(given), newest_last(given)].concat();
    let hint = match below.last().and_then(|model| model.parent()) {
        Some(run) => format!("there is one in `{}`", run.display()),
        None => "name a model file, or the folder of a run whose training has begun".to_owned(),
    };
    bail!("there is no `model.safetensors` in `{}`\n\nhint: {hint}", given.display());
}

/// The models of all corpora's runs, the newest last; of equally new ones in order of their paths.
fn newest_last(runs: &Path) -> Vec<PathBuf> {
    let mut models: Vec<(SystemTime, PathBuf)> = folders(runs)
        .iter()
        .flat_map(|corpus| in_folders_of(corpus))
        .filter_map(|model| Some((fs::metadata(&model).ok()?.modified().ok()?, model)))
        .collect();
    models.sort();
    models.into_iter().map(|(_, model)| model).collect()
}

/// The models of one corpus' runs.
fn in_folders_of(corpus: &Path) -> Vec<PathBuf> {
    let runs = folders(corpus);
    runs.iter().map(|run| model_path(run)).filter(|model| model.is_file()).collect()
}

/// The folders in a folder, sorted; none where it cannot be read.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use candle_core::{DType, Device};
    use cantus::STRANGER_MEASURE;
    use cantus_crnn::{Crnn2dConfig, Model, OpenSet};
    use cantus_mel::MelConfig;

    use super::*;

    fn model(folder: &Path, run: &str, age_seconds: u64) -> PathBuf {
        let path = model_path(&folder.join(run));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = fs::File::create(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age_seconds))
            .unwrap();
        path
    }

    #[test]
    fn the_newest_model_of_all_corpora_is_last() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path();
        assert!(newest_last(runs).is_empty());
        let oldest = model(runs, "a/three", 30);
        let newest = model(runs, "a/one", 10);
        let between = model(runs, "b/two", 20);
        fs::create_dir_all(runs.join("b/not-yet-trained")).unwrap();
        assert_eq!(newest_last(runs), [oldest, between, newest]);
    }

    #[test]
    fn a_run_is_named_by_its_folder_and_one_too_high_is_refused_with_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path();
        let only = model(runs, "demo/run", 0);
        let named = |given: &Path| named(given, &DataFolder::new(runs));
        assert_eq!(named(only.parent().unwrap()).unwrap(), only);
        assert_eq!(named(&only).unwrap(), only);
        for too_high in [runs.to_owned(), runs.join("demo")] {
            let said = named(&too_high).unwrap_err().to_string();
            let hint = format!("hint: there is one in `{}`", runs.join("demo/run").display());
            assert!(said.ends_with(&hint), "{said}");
        }
        let gone = runs.join("gone.safetensors");
        let said = named(&gone).unwrap_err().to_string();
        assert!(said.starts_with(&format!("there is no model `{}`", gone.display())), "{said}");
    }

    #[test]
    fn a_calibrated_model_is_asked_unless_the_run_was_trained_since() {
        let folder = tempfile::tempdir().unwrap();
        let (model, calibrated) = (model_path(folder.path()), calibrated_path(folder.path()));
        let write = |path: &Path, seed: u64, open_set: Option<OpenSet>| {
            let config =
                Crnn2dConfig { classes: 2, filters: vec![2; 4], ..Crnn2dConfig::default() };
            let network = Model::new(config, seed, &Device::Cpu, DType::F32).unwrap();
            let labels = ["a", "b"].map(str::to_owned).to_vec();
            let front_end = MelConfig::paper().to_key_values();
            let file = ModelFile::new(&network, labels, front_end, 32).unwrap();
            fs::write(path, ModelFile { open_set, ..file }.to_bytes().unwrap()).unwrap();
        };
        let asked = || calibrated_or(model.clone());
        write(&model, 0, None);
        assert_eq!(asked(), model);
        let scores = OpenSet::new(STRANGER_MEASURE, vec![0.25], vec![0.75]).unwrap();
        write(&calibrated, 0, Some(scores));
        assert_eq!(asked(), calibrated);
        write(&model, 1, None);
        assert_eq!(asked(), model);
        for damaged in [&model, &calibrated] {
            fs::write(damaged, b"damaged").unwrap();
            assert_eq!(asked(), *damaged);
        }
    }

    #[test]
    fn the_bundled_model_is_named_of_this_data_folder_or_else_of_the_checkout() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        let of_checkout = named(Path::new(BUNDLED), &data).unwrap();
        assert!(of_checkout.ends_with("data/models/freemusic20.safetensors"));
        let here = folder.path().join("models").join("freemusic20.safetensors");
        fs::create_dir(here.parent().unwrap()).unwrap();
        fs::write(&here, b"").unwrap();
        assert_eq!(named(Path::new(BUNDLED), &data).unwrap(), here);
    }
}
