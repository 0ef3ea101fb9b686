//! Stages in the order they run, and what would run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::PipelineError;
use crate::fingerprint::{Fingerprint, SavedFingerprint};
use crate::freshness::{Freshness, Reason};

/// A step of the pipeline: what it needs and what it leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name, unique in a plan.
    pub name: String,
    /// The stages whose outputs are its inputs.
    pub upstream: Vec<String>,
    /// The files that must stand for the stage to be done.
    pub outputs: Vec<PathBuf>,
}

impl Stage {
    /// A stage without upstream stages and outputs.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), upstream: Vec::new(), outputs: Vec::new() }
    }

    /// Adds a stage that must run before.
    #[must_use]
    pub fn after(mut self, upstream: impl Into<String>) -> Self {
        self.upstream.push(upstream.into());
        self
    }

    /// Adds a file that the stage makes.
    #[must_use]
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.outputs.push(path.into());
        self
    }

    /// Whether the stage must run: the saved fingerprint differs from the wanted one, an output is
    /// gone, or it is forced.
    ///
    /// A runner that asks this right before each stage, with the digests that its inputs have by
    /// then, gets the early cut-off for free: a stage before it that ran but made the same bytes
    /// again leaves this one fresh.
    pub fn check(&self, saved: &SavedFingerprint, wanted: &Fingerprint, force: bool) -> Freshness {
        let mut reasons = saved.compare(wanted).reasons().to_vec();
        // Of a stage that was never built, no output can be missing.
        if saved.fingerprint().is_some() {
            let missing = self.outputs.iter().filter(|path| !path.exists());
            reasons.extend(missing.map(|path| Reason::OutputMissing { path: path.clone() }));
        }
        if force {
            reasons.push(Reason::Forced);
        }
        Freshness::from_reasons(reasons)
    }
}

/// What is known of a stage before anything ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reasons", rename_all = "snake_case")]
pub enum Verdict {
    /// It will not run.
    Fresh,
    /// It runs if a stage before it, which will run, makes something else than it did; each reason
    /// is a [`Reason::UpstreamStale`].
    MaybeStale(Vec<Reason>),
    /// It will run.
    Stale(Vec<Reason>),
}

impl Verdict {
    /// The reasons, none if fresh.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Fresh => &[],
            Self::MaybeStale(reasons) | Self::Stale(reasons) => reasons,
        }
    }
}

/// A stage with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedStage {
    /// The stage's name.
    pub stage: String,
    /// What will happen to it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// All stages in the order they run, each with what is known of it before anything ran: what
/// `status` and `--dry-run` show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    /// The stages in the order they run.
    pub stages: Vec<PlannedStage>,
}

impl Plan {
    /// Lets staleness flow downstream. Each stage comes with its own freshness, by
    /// [`Stage::check`] against the inputs as they are now; one whose inputs do not exist yet
    /// comes with [`Reason::NeverBuilt`] or whatever else is known of it.
    ///
    /// # Errors
    ///
    /// If two stages have one name, or one stands before a stage that it needs.
    pub fn explain(
        stages: impl IntoIterator<Item = (Stage, Freshness)>,
    ) -> Result<Self, PipelineError> {
        let mut seen = BTreeSet::new();
        let mut will_run = BTreeSet::new();
        let mut planned = Vec::new();
        for (stage, freshness) in stages {
            if let Some(upstream) = stage.upstream.iter().find(|name| !seen.contains(*name)) {
                let upstream = upstream.clone();
                return Err(PipelineError::StageOrder { stage: stage.name, upstream });
            }
            if !seen.insert(stage.name.clone()) {
                return Err(PipelineError::DuplicateStage { stage: stage.name });
            }
            let from_upstream: Vec<Reason> = stage
                .upstream
                .iter()
                .filter(|name| will_run.contains(*name))
                .map(|name| Reason::UpstreamStale { stage: name.clone() })
                .collect();
            let verdict = match freshness {
                Freshness::Fresh if from_upstream.is_empty() => Verdict::Fresh,
                Freshness::Fresh => Verdict::MaybeStale(from_upstream),
                Freshness::Stale(mut reasons) => {
                    reasons.extend(from_upstream);
                    Verdict::Stale(reasons)
                }
            };
            if verdict != Verdict::Fresh {
                will_run.insert(stage.name.clone());
            }
            planned.push(PlannedStage { stage: stage.name, verdict });
        }
        Ok(Self { stages: planned })
    }

    /// Whether nothing will run.
    pub fn is_fresh(&self) -> bool {
        self.stages.iter().all(|planned| planned.verdict == Verdict::Fresh)
    }

    /// The verdict on a stage.
    pub fn verdict(&self, stage: &str) -> Option<&Verdict> {
        self.stages.iter().find(|planned| planned.stage == stage).map(|planned| &planned.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed() -> Reason {
        Reason::SettingChanged { field: "clip".into(), old: "3s".into(), new: "5s".into() }
    }

    fn upstream(stage: &str) -> Reason {
        Reason::UpstreamStale { stage: stage.into() }
    }

    fn chain() -> [Stage; 4] {
        [
            Stage::new("scan"),
            Stage::new("preprocess").after("scan"),
            Stage::new("split").after("scan"),
            Stage::new("train").after("preprocess").after("split"),
        ]
    }

    fn plan(freshness: [Freshness; 4]) -> Plan {
        Plan::explain(chain().into_iter().zip(freshness)).unwrap()
    }

    #[test]
    fn a_change_at_the_end_touches_nothing_before_it() {
        use Freshness::{Fresh, Stale};
        let plan = plan([Fresh, Fresh, Fresh, Stale(vec![changed()])]);
        assert_eq!(plan.verdict("split"), Some(&Verdict::Fresh));
        assert_eq!(plan.verdict("train"), Some(&Verdict::Stale(vec![changed()])));
        assert!(!plan.is_fresh());
    }

    #[test]
    fn staleness_flows_down_as_a_maybe_and_only_along_the_edges() {
        use Freshness::{Fresh, Stale};
        let plan = plan([Fresh, Stale(vec![changed()]), Fresh, Fresh]);
        assert_eq!(plan.verdict("split"), Some(&Verdict::Fresh));
        let expected = Verdict::MaybeStale(vec![upstream("preprocess")]);
        assert_eq!(plan.verdict("train"), Some(&expected));
    }

    #[test]
    fn a_maybe_is_passed_on_and_own_reasons_come_first() {
        use Freshness::{Fresh, Stale};
        let plan = plan([Stale(vec![Reason::NeverBuilt]), Fresh, Fresh, Stale(vec![changed()])]);
        let expected = Verdict::MaybeStale(vec![upstream("scan")]);
        assert_eq!(plan.verdict("split"), Some(&expected));
        let expected = Verdict::Stale(vec![changed(), upstream("preprocess"), upstream("split")]);
        assert_eq!(plan.verdict("train"), Some(&expected));
    }

    #[test]
    fn a_plan_serializes_flat() {
        let plan = plan([Freshness::Fresh, Freshness::Fresh, Freshness::Fresh, Freshness::Fresh]);
        assert!(plan.is_fresh());
        assert!(
            serde_json::to_string(&plan)
                .unwrap()
                .starts_with(r#"[{"stage":"scan","state":"fresh"},"#)
        );
    }

    #[test]
    fn a_stage_before_its_upstream_or_twice_is_refused() {
        let wrong = [Stage::new("train").after("split"), Stage::new("split")];
        let error = Plan::explain(wrong.map(|stage| (stage, Freshness::Fresh))).unwrap_err();
        assert!(matches!(error, PipelineError::StageOrder { .. }));
        let twice = [Stage::new("train"), Stage::new("train")];
        let error = Plan::explain(twice.map(|stage| (stage, Freshness::Fresh))).unwrap_err();
        assert!(matches!(error, PipelineError::DuplicateStage { .. }));
    }

    #[test]
    fn a_missing_output_and_force_are_reasons() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.tsv");
        let stage = Stage::new("split").output(&path);
        let wanted = Fingerprint::builder("split", 1).build();
        let saved = SavedFingerprint::Whole(wanted.clone());
        let missing = Reason::OutputMissing { path: path.clone() };
        assert_eq!(stage.check(&saved, &wanted, false).reasons(), [missing]);
        std::fs::write(&path, "").unwrap();
        assert!(stage.check(&saved, &wanted, false).is_fresh());
        assert_eq!(stage.check(&saved, &wanted, true).reasons(), [Reason::Forced]);
        let never = stage.check(&SavedFingerprint::Missing, &wanted, false);
        assert_eq!(never.reasons(), [Reason::NeverBuilt]);
    }
}
