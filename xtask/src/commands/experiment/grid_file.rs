//! The axes of a grid: from the flags, from a file, or the paper's.

use anyhow::{Context, Result};
use cantus_corpus::SplitKind;
use serde::Deserialize;

use crate::cli::ExperimentFlags;
use crate::settings::{ClipLength, ModelName, SplitFlag, TrialFlags};

/// A grid as TOML, each axis a list; what is left out is the paper's.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GridFile {
    clip: Vec<ClipLength>,
    split: Vec<SplitKind>,
    seed: Vec<u64>,
    model: Vec<ModelName>,
    folds: Option<u16>,
}

impl GridFile {
    fn read(flags: &ExperimentFlags) -> Result<Self> {
        let Some(path) = &flags.grid else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the grid `{}`", path.display()))?;
        toml::from_str(&text).with_context(|| format!("the grid `{}` is not valid", path.display()))
    }
}

/// The flags with every axis filled that they leave open.
pub(super) fn laid_under(flags: &ExperimentFlags) -> Result<TrialFlags> {
    let file = GridFile::read(flags)?;
    let mut trial = flags.trial.clone();
    let splits = file.split.iter().map(|&kind| SplitFlag::from(kind)).collect();
    fill(&mut trial.clip, file.clip, &ClipLength::PAPER);
    fill(&mut trial.split, splits, &[SplitFlag::Song, SplitFlag::Album]);
    fill(&mut trial.seed, file.seed, &[0, 21, 42]);
    fill(&mut trial.model, file.model, &[ModelName::default()]);
    trial.folds = trial.folds.or(file.folds);
    Ok(trial)
}

fn fill<T: Clone>(axis: &mut Vec<T>, of_file: Vec<T>, of_paper: &[T]) {
    if axis.is_empty() {
        *axis = of_file;
    }
    if axis.is_empty() {
        *axis = of_paper.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(grid: Option<&str>, trial: TrialFlags) -> ExperimentFlags {
        let path = grid.map(|text| {
            let path =
                std::env::temp_dir().join(format!("grid-{}.toml", blake3::hash(text.as_bytes())));
            std::fs::write(&path, text).unwrap();
            path
        });
        ExperimentFlags { trial, grid: path, jobs: 1 }
    }

    #[test]
    fn without_flags_the_grid_is_the_papers() {
        let trials = laid_under(&flags(None, TrialFlags::default())).unwrap().trials().unwrap();
        assert_eq!(trials.len(), 7 * 2 * 3);
    }

    #[test]
    fn flags_narrow_what_the_file_gives_and_the_file_what_the_paper_has() {
        let grid = "clip = ['1s', '3s']\nsplit = ['album']\nfolds = 4";
        let narrowed = TrialFlags { seed: vec![7], ..TrialFlags::default() };
        let trials = laid_under(&flags(Some(grid), narrowed)).unwrap().trials().unwrap();
        assert_eq!(trials.len(), 2 * 4);
        assert!(trials.iter().all(|trial| trial.seed == 7 && trial.split == SplitKind::Album));
    }

    #[test]
    fn an_axis_that_there_is_none_of_is_refused() {
        let refused = laid_under(&flags(Some("clips = ['1s']"), TrialFlags::default()));
        assert!(format!("{:#}", refused.unwrap_err()).contains("clips"));
    }
}
