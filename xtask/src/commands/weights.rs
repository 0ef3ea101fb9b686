//! Which model is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, bail};

use crate::session::{Session, count};
use crate::stages::train::model_path;

/// The value of `--weights` that asks for the model of the repository.
const BUNDLED: &str = "bundled";

/// The model that the flag names, by itself, by the folder of its run, or as the bundled one; without a flag
/// the newest of all runs, and where nothing was trained the bundled one, which is said.
pub(super) fn find(flag: Option<&Path>, session: &Session) -> Result<PathBuf> {
    match flag {
        Some(path) if path.as_os_str() == BUNDLED => return bundled(session),
        Some(path) => return named(path),
        None => {}
    }
    let models = newest_last(&session.data.runs());
    let Some(newest) = models.last() else {
        let bundled = bundled(session)?;
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
    Ok(newest.clone())
}

/// The model that comes with the repository: of this data folder, or of the checkout that the command was
/// built in.
fn bundled(session: &Session) -> Result<PathBuf> {
    let of_checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    let folders = [session.data.root(), &of_checkout];
    let models = folders.map(|data| data.join("models").join("freemusic20.safetensors"));
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

fn named(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let model = model_path(path);
    if model.exists() {
        return Ok(model);
    }
    // One too high in the tree: the folder of a corpus, or of all runs.
    let below = [in_folders_of(path), newest_last(path)].concat();
    let hint = match below.last().and_then(|model| model.parent()) {
        Some(run) => format!("there is one in `{}`", run.display()),
        None => "name a model file, or the folder of a run whose training has begun".to_owned(),
    };
    bail!("there is no `model.safetensors` in `{}`\n\nhint: {hint}", path.display());
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
        assert_eq!(named(only.parent().unwrap()).unwrap(), only);
        assert_eq!(named(&only).unwrap(), only);
        for too_high in [runs.to_owned(), runs.join("demo")] {
            let said = named(&too_high).unwrap_err().to_string();
            let hint = format!("hint: there is one in `{}`", runs.join("demo/run").display());
            assert!(said.ends_with(&hint), "{said}");
        }
    }
}
