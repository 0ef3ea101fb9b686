//! `export`: a trained network in a form that other programs run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cantus_crnn::ModelFile;
use cantus_pipeline::write_atomic_bytes;
use serde::Serialize;

use crate::cli::{CommonFlags, ExportFlags};
use crate::commands::{print, print_json, status};
use crate::data_folder::DataFolder;
use crate::errors::bad_usage;
use crate::named_output;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::Session;
use crate::settings::{Config, TrialFlags};
use crate::stages::train;
use crate::stages::trial::{StageName, Trial};
use crate::weights;

/// What `export --dry-run --json` prints.
#[derive(Debug, Serialize)]
struct Wanted {
    file: String,
    weights: String,
}

/// What `export --json` prints for each file.
#[derive(Debug, Serialize)]
struct Exported {
    file: String,
    weights: String,
    bytes: usize,
    labels: Vec<String>,
    frames_per_clip: usize,
    minimum_frames: usize,
}

/// Writes the network of `--weights`, or those of the trials, which are trained first where they are
/// stale.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &ExportFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let to = flags.onnx.as_ref().and_then(Option::as_deref);
    let data = DataFolder::new(&common.data);
    let to = to.map(|to| named_output::place(to, &data)).transpose()?;
    let to = to.as_deref();
    // What `--force` makes anew is the file, and not a training of hours.
    let common = &CommonFlags { force: false, ..common.clone() };
    if let Some(given) = &flags.weights {
        if flags.trial != TrialFlags::default() {
            return bad_usage(
                "`--weights` names a network that is there, and the other flags a trial\n\n\
                 hint: leave out one or the other",
            );
        }
        if to.is_none() && weights::is_bundled(given) {
            return bad_usage(
                "the bundled model's folder belongs to the checkout\n\n\
                 hint: name the file to write, as in `--onnx artists.onnx`",
            );
        }
        let weights = weights::named(given, &data)?;
        let file = target(&weights, to);
        named_output::refuse_own_input(&file, &weights)?;
        let model = ModelFile::read(&weights)?;
        if common.dry_run {
            let wanted =
                Wanted { file: file.display().to_string(), weights: weights.display().to_string() };
            if common.json {
                print_json(&wanted)?;
            } else {
                print(&format!("would write {}\n", wanted.file))?;
            }
            return Ok(Outcome::Done);
        }
        // Nothing else is made of it, so no training has to be waited for.
        export(common, &model, &weights, &file)?;
        return Ok(Outcome::Done);
    }
    let configs = flags.trial.trials()?;
    if to.is_some() && configs.len() > 1 {
        return bad_usage(format!(
            "{} trials cannot be written to one file\n\n\
             hint: without a name after `--onnx`, each is written into its run's folder",
            configs.len()
        ));
    }
    let stated = flags.trial.corpus.config.as_deref();
    if common.dry_run {
        for config in configs.clone() {
            let trial = Trial::new(&Session::reading(common, progress)?, config)?;
            let file = target(&train::model_path(&trial.run), to);
            named_output::refuse_inputs_of(&trial, stated, &file)?;
        }
        return status::of_trials(common, configs, true, StageName::Train, progress);
    }
    Session::writing(common, progress)?.run(|session| trials(common, session, configs, stated, to))
}

fn trials(
    common: &CommonFlags,
    session: &Session,
    configs: Vec<Config>,
    stated: Option<&Path>,
    to: Option<&Path>,
) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    for config in configs {
        let trial = Trial::new(session, config)?;
        let weights = train::model_path(&trial.run);
        let file = target(&weights, to);
        named_output::refuse_inputs_of(&trial, stated, &file)?;
        outcome = outcome.and(trial.bring_up_to_date(session, StageName::Train)?.outcome);
        if outcome == Outcome::Interrupted {
            return Ok(session.interrupted());
        }
        export(common, &train::read_model(&trial.run)?, &weights, &file)?;
    }
    Ok(outcome)
}

/// Where the ONNX file goes: beside the weights, unless the user says where.
fn target(weights: &Path, to: Option<&Path>) -> PathBuf {
    to.map_or_else(|| weights.with_extension("onnx"), Path::to_owned)
}

fn export(common: &CommonFlags, model: &ModelFile, weights: &Path, file: &Path) -> Result<()> {
    let onnx = model.to_onnx()?;
    write_atomic_bytes(file, &onnx)?;
    let exported = Exported {
        file: file.display().to_string(),
        weights: weights.display().to_string(),
        bytes: onnx.len(),
        labels: model.labels.clone(),
        frames_per_clip: model.frames_per_clip,
        minimum_frames: model.config.minimum_frames(),
    };
    if common.json {
        return print_json(&exported);
    }
    print(&format!("{}\n", exported.file))?;
    Ok(())
}
