//! `predict`: who made these recordings, by a trained model.

mod one;
mod recordings;
mod rows;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus::{Excerpt, Identification, Identifier};

use crate::cli::{CommonFlags, PredictFlags};
use crate::commands::{hearing, print, print_json, screen};
use crate::errors::bad_usage;
use crate::interrupt::Interrupt;
use crate::named_output;
use crate::ordered::for_each_in_order;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, SongProblem, count};
use crate::weights;

use recordings::Asked;
use rows::{Failed, Found, Wanted, text};

/// Asks a model about every recording named. It takes no lock, so a training may go on meanwhile.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &PredictFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let mut session = Session::reading(common, progress)?;
    session.interrupt = Interrupt::install()?;
    session.run(|session| predict(common, flags, session))
}

fn predict(common: &CommonFlags, flags: &PredictFlags, session: &Session) -> Result<Outcome> {
    let asked = recordings::find(&flags.recordings, session)?;
    if flags.svg.is_some() && matches!(asked, Asked::Many { .. }) {
        return bad_usage(
            "`--svg` draws the timeline of one recording\n\nhint: name a single file",
        );
    }
    let svg =
        flags.svg.as_deref().map(|svg| named_output::place(svg, &session.data)).transpose()?;
    let model = weights::find(flags.weights.as_deref(), session)?;
    if let (Some(svg), Asked::One(recording)) = (&svg, &asked) {
        for input in [recording, &model] {
            named_output::refuse_own_input(svg, input)?;
        }
    }
    if common.dry_run {
        let files = match &asked {
            Asked::One(path) => {
                std::fs::metadata(path).with_context(|| format!("`{}`", path.display()))?;
                std::slice::from_ref(path)
            }
            Asked::Many { files, .. } => {
                recordings::refuse_none(&flags.recordings, files)?;
                files
            }
        };
        if common.json {
            print_json(&Wanted::new(&model, files))?;
        } else {
            print(&format!(
                "would ask {} about {}\n",
                model.display(),
                count(files.len(), "file")
            ))?;
        }
        return Ok(Outcome::Done);
    }
    let mut identifier = Identifier::open(&model)?;
    if flags.whole {
        identifier = identifier.with_excerpt(Excerpt::Whole);
    } else if let Excerpt::Middle { seconds } = identifier.excerpt() {
        session.progress.say(format!(
            "the model was trained on the middle {seconds} s of each song and hears as much; \
             `--whole` hears all"
        ));
    }
    let asking = Asking { session, identifier, model };
    match asked {
        Asked::One(path) => asking.about_one(common, flags, &path, svg.as_deref()),
        Asked::Many { files, unusable } => {
            let outcome = asking.about_many(common, &files, &unusable)?;
            recordings::refuse_none(&flags.recordings, &files)?;
            Ok(outcome)
        }
    }
}

/// A model and where its answers go.
struct Asking<'a> {
    session: &'a Session,
    identifier: Identifier,
    model: PathBuf,
}

impl Asking<'_> {
    /// One recording, which fails the command where it cannot be used.
    fn about_one(
        &self,
        common: &CommonFlags,
        flags: &PredictFlags,
        path: &Path,
        svg: Option<&Path>,
    ) -> Result<Outcome> {
        let mut bar = None;
        let identified = self.identify(path, |clips, of| {
            let bar = bar
                .get_or_insert_with(|| self.session.progress.bar(of as u64, "identify", "clips"));
            bar.set_position(clips as u64);
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let Some(identified) = identified else {
            self.session.progress.say_even_if_quiet("interrupted");
            return Ok(Outcome::Interrupted);
        };
        let found = match identified {
            Ok(found) => found,
            Err(error) => {
                if common.json {
                    print(&json(&Failed::new(path, &error))?)?;
                }
                return Err(error);
            }
        };
        self.note_damage(path, &found);
        if common.json {
            print_json(&self.row(path, &found))?;
        } else {
            print(&one::text(&found, path, flags.top.get(), screen::Screen::of_stdout()))?;
        }
        if let Some(svg) = svg {
            let picture = one::timeline(&found, self.identifier.labels(), path)?;
            cantus_pipeline::write_atomic_bytes(svg, picture.as_bytes())?;
            self.session.progress.say(format!("the timeline is drawn in {}", svg.display()));
        }
        Ok(Outcome::Done)
    }

    /// Many recordings, each on a thread of its own and a line of its own; those that cannot be used
    /// are listed, and so is what of the folders could not be looked at.
    fn about_many(
        &self,
        common: &CommonFlags,
        files: &[PathBuf],
        unusable: &[SongProblem],
    ) -> Result<Outcome> {
        let Session { progress, interrupt, .. } = self.session;
        let bar = progress.bar(files.len() as u64, "identify", "files");
        if !common.json {
            progress.suspend(|| print(&rows::header()))?;
        }
        let mut done = 0;
        let received = for_each_in_order(
            files.len(),
            rayon::current_num_threads(),
            || interrupt.is_asked(),
            |index| self.identify(&files[index], |_, _| {}),
            |index, identified| {
                let Some(identified) = identified else { return Ok(()) };
                let line = self.line(common, &files[index], identified)?;
                progress.suspend(|| print(&line))?;
                done += 1;
                bar.inc(1);
                anyhow::Ok(())
            },
        );
        bar.finish_and_clear();
        received?;
        if interrupt.is_asked() && done < files.len() {
            progress.say_even_if_quiet(format!(
                "interrupted after {done} of {}",
                count(files.len(), "file")
            ));
            return Ok(Outcome::Interrupted);
        }
        for problem in unusable {
            print(&self.failed(common, Path::new(&problem.song), problem.clone())?)?;
        }
        Ok(Outcome::Done)
    }

    /// Who made a recording; nothing where the user asked to stop before that was known.
    fn identify(
        &self,
        path: &Path,
        observe: impl FnMut(usize, usize),
    ) -> Option<Result<Identification>> {
        hearing::identify(&self.identifier, &self.session.interrupt, path, observe)
    }

    /// What is printed of a recording.
    fn line(
        &self,
        common: &CommonFlags,
        path: &Path,
        identified: Result<Identification>,
    ) -> Result<String> {
        match identified {
            Ok(found) => {
                self.note_damage(path, &found);
                if common.json { json(&self.row(path, &found)) } else { rows::found(path, &found) }
            }
            Err(error) => {
                let Failed { path: song, error: reason, hint } = Failed::new(path, &error);
                self.failed(common, path, SongProblem { song, reason, hint })
            }
        }
    }

    /// What is printed of a recording that cannot be used, or of something that may be one.
    fn failed(&self, common: &CommonFlags, path: &Path, problem: SongProblem) -> Result<String> {
        self.session.add_unusable(problem.clone());
        let SongProblem { reason, hint, .. } = problem;
        if common.json {
            json(&Failed { path: text(path), error: reason, hint })
        } else {
            rows::failed(path, &reason)
        }
    }

    fn row<'a>(&'a self, path: &Path, found: &'a Identification) -> Found<'a> {
        Found::new(path, &self.model, found)
    }

    fn note_damage(&self, path: &Path, found: &Identification) {
        if let Some(damage) = &found.damage {
            let song = path.display().to_string();
            let problem = SongProblem { song, reason: damage.clone(), hint: None };
            self.session.add_damaged(problem);
        }
    }
}

fn json(row: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string(row).context("cannot write the result as JSON")? + "\n")
}
