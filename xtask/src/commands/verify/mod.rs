//! `verify`: what of everything made is not as it was made, and making that anew.

mod look;
mod repair;

use std::fmt::Write;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::cli::{CommonFlags, VerifyFlags};
use crate::commands::{print, print_json};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, count};

use look::{Finding, Look};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Verified<'a> {
    /// Files that were read.
    files: usize,
    bytes: u64,
    /// Files of stages that ended before sums were kept: nothing is known of them.
    without_sums: usize,
    damaged: &'a [Finding],
    /// How many of those are as they should be by now; null without `--repair`.
    repaired: Option<usize>,
}

/// Reads everything made and names what is damaged; with `--repair` makes that anew.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &VerifyFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let is_to_repair = flags.repair && !common.dry_run;
    crate::data_folder::refuse_missing(&common.data)?;
    let session = if is_to_repair {
        Session::writing(common, progress)
    } else {
        Session::reading_alone(common, progress)
    };
    session?.run(|session| {
        // The session itself has read the content hashes, and does without them where they are damaged.
        let Some(look) = look::look(session, session.hashes.was_damaged())? else {
            return Ok(interrupted(session));
        };
        if !common.json {
            print(&text(&look))?;
        }
        let (mut left, mut repaired) = (Vec::new(), is_to_repair.then_some(0));
        if is_to_repair && !look.findings.is_empty() {
            if repair::repair(session, &look)? == Outcome::Interrupted {
                return Ok(interrupted(session));
            }
            let Some(again) = look::look(session, false)? else {
                return Ok(interrupted(session));
            };
            left = again.findings;
            let is_mended = |finding: &&Finding| {
                !left.contains(finding) && finding.left_to(session).is_none()
            };
            repaired = Some(look.findings.iter().filter(is_mended).count());
        }
        if common.json {
            print_json(&Verified {
                files: look.files,
                bytes: look.bytes,
                without_sums: look.without_sums,
                damaged: &look.findings,
                repaired,
            })?;
        } else if let Some(repaired @ 1..) = repaired {
            print(&format!("{} no longer damaged\n", count(repaired, "piece")))?;
        }
        if is_to_repair {
            for finding in &left {
                let command = finding.left_to(session);
                let again = command.map(|command| format!("; {command} makes it again"));
                let again = again.unwrap_or_default();
                session.progress.say_even_if_quiet(format!("still damaged: {finding}{again}"));
            }
            let mut taken_away = 0;
            for finding in &look.findings {
                let is_named = left.iter().any(|named| named.path == finding.path);
                let Some(command) = finding.left_to(session).filter(|_| !is_named) else { continue };
                taken_away += 1;
                let path = finding.path.display();
                session
                    .progress
                    .say_even_if_quiet(format!("{path} was taken away; {command} makes it again"));
            }
            let unmended = left.len() + taken_away;
            if unmended > 0 {
                let hint = if left.iter().all(|finding| finding.left_to(session).is_some()) {
                    "the commands named above make them again, with the flags that they had"
                } else {
                    "no run says what it was made by: the command that made it, such as `cargo xtask \
                     preprocess` with its flags, makes just that anew; with `--force`, where the song itself is gone"
                };
                bail!(
                    "{} could not be repaired\n\nhint: {hint}",
                    count(unmended, "damaged piece")
                );
            }
        } else if !look.findings.is_empty() {
            bail!(
                "{} found\n\n\
                 hint: `cargo xtask verify --repair` makes anew what is damaged, and no more",
                count(look.findings.len(), "damaged piece")
            );
        }
        Ok(Outcome::Done)
    })
}

/// There is nothing to go on with: what was read is read again.
fn interrupted(session: &Session) -> Outcome {
    session.progress.say_even_if_quiet("interrupted; nothing is lost, run the same command again");
    Outcome::Interrupted
}

fn text(look: &Look) -> String {
    let mut text = String::new();
    for finding in &look.findings {
        let _ = writeln!(text, "{finding}");
    }
    let _ = writeln!(
        text,
        "{} of {:.1} MB read, {} damaged",
        count(look.files, "file"),
        look.bytes as f64 / 1e6,
        count(look.findings.len(), "piece")
    );
    if look.without_sums > 0 {
        let stages = count(look.without_sums, "stage");
        let _ = writeln!(text, "{stages} from before sums were kept: nothing is known of them");
    }
    text
}
