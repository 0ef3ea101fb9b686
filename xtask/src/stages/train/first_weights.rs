//! The weights that a training begins with: drawn by the seed, or those of another training.

use anyhow::{Context, Result, bail};
use candle_core::{DType, Device};
use cantus_crnn::{CrnnError, Model, ModelFile};

use crate::session::count;
use crate::settings::Config;

/// What makes the network with its first weights, as often as it is asked.
pub(super) fn network(
    config: &Config,
    labels: &[String],
) -> Result<Box<dyn Fn() -> Result<Model, CrnnError>>> {
    let (seed, labels) = (config.seed, labels.to_vec());
    let Some(from) = &config.from else {
        let settings = config.network(labels.len());
        return Ok(Box::new(move || Model::new(settings.clone(), seed, &Device::Cpu, DType::F32)));
    };
    let file = ModelFile::read(from)?;
    Ok(Box::new(move || file.model_for(&labels, seed)))
}

/// Refuses a trial whose `--from` cannot be gone on with, before anything is made for it.
pub(crate) fn check_first_weights(config: &Config) -> Result<()> {
    let Some(from) = &config.from else { return Ok(()) };
    check(config, &ModelFile::read(from)?)
        .with_context(|| format!("cannot go on from `{}`", from.display()))
}

/// The artists among `labels` that the weights of `--from` have learnt.
pub(crate) fn known_to_first_weights(config: &Config, labels: &[String]) -> Result<Vec<String>> {
    let Some(from) = &config.from else { return Ok(Vec::new()) };
    let file = ModelFile::read(from)?;
    Ok(labels.iter().filter(|label| file.labels.contains(label)).cloned().collect())
}

/// What somebody should know before they trust the scores of a trial that goes on from other weights.
pub(crate) fn first_weights_warning(config: &Config, labels: &[String]) -> Result<Option<String>> {
    let known = known_to_first_weights(config, labels)?;
    let warning = format!(
        "the weights of `--from` have learnt {} of the trial already, perhaps by songs of its test: \
         its scores may be too good",
        count(known.len(), "artist")
    );
    Ok((!known.is_empty()).then_some(warning))
}

/// Refuses weights that have learnt from other input, or are another network's.
fn check(config: &Config, file: &ModelFile) -> Result<()> {
    let mel = config.mel.to_key_values();
    for (key, wanted) in &mel {
        let found = file.front_end.get(key).map_or("missing", String::as_str);
        if found != wanted {
            bail!(
                "its spectrograms are others: `{key}` is {found} there and {wanted} here\n\n\
                 hint: give the trial the model's settings under `[mel]` of a `--config`, such as \
                 the `config.toml` beside the model"
            );
        }
    }
    let (here, there) = (config.network(file.config.classes()), &file.config);
    if here != *there {
        bail!(
            "it is another network than the trial's {}\n\n\
             hint: name the model's own with `--model` and `--gru-form`",
            config.model.name.as_str()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cantus_mel::MelConfig;

    use super::*;
    use crate::settings::ModelName;

    fn file(mel: &MelConfig) -> ModelFile {
        let network = Config::default().network(3);
        let model = Model::new(network, 7, &Device::Cpu, DType::F32).unwrap();
        let labels = ["Alto", "Basso", "Canto"].map(str::to_owned).to_vec();
        ModelFile::new(&model, labels, mel.to_key_values(), 94).unwrap()
    }

    #[test]
    fn weights_of_the_same_network_and_front_end_are_taken() {
        check(&Config::default(), &file(&MelConfig::paper())).unwrap();
    }

    #[test]
    fn weights_of_another_front_end_or_network_are_refused_by_what_differs() {
        let low = MelConfig { f_max: Some(4_000.0), ..MelConfig::paper() };
        let said = check(&Config::default(), &file(&low)).unwrap_err().to_string();
        assert!(said.contains("`mel.f_max` is 4000"), "{said}");
        let mut config = Config::default();
        config.model.name = ModelName::Crnn1d;
        let said = check(&config, &file(&MelConfig::paper())).unwrap_err().to_string();
        assert!(said.contains("another network than the trial's crnn1d"), "{said}");
    }
}
