//! `fetch`: get a corpus.

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{HumanBytes, ProgressBar};
use serde::Serialize;

use crate::cli::{CommonFlags, FetchFlags, FetchableCorpus};
use crate::commands::{print, print_json};
use crate::corpora::artist20::check_artist20;
use crate::corpora::demo::{self, DemoSettings};
use crate::corpora::freemusic::{
    FetchEvent, FetchObserver, FetchSettings, Profile, TABLE, fetch_freemusic, preview,
};
use crate::data_folder::DataFolder;
use crate::errors::bad_usage;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, SongProblem, count};

/// What `fetch --json` prints.
#[derive(Debug, Serialize)]
struct Fetched<'a> {
    corpus: &'a str,
    folder: String,
    songs: usize,
    already_there: usize,
    missing: Vec<String>,
    bytes_downloaded: u64,
    seconds: f64,
}

/// What a dry run prints of a corpus or a trial.
#[derive(Debug, Serialize)]
pub(crate) struct Intent {
    /// The verb.
    pub(crate) would: &'static str,
    /// The corpus.
    pub(crate) corpus: &'static str,
    /// Where it would be done.
    pub(crate) folder: String,
    /// To how many songs, where that is known without reading them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) songs: Option<usize>,
    /// Out of how many packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packages: Option<usize>,
    /// How many of these are not in the folder that they are to come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packages_not_found: Option<usize>,
    /// What would come over the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_to_download: Option<u64>,
}

impl Intent {
    /// The verb, the corpus and the folder; no more is known.
    pub(crate) fn new(would: &'static str, corpus: &'static str, folder: &Path) -> Self {
        let folder = folder.display().to_string();
        Self {
            would,
            corpus,
            folder,
            songs: None,
            packages: None,
            packages_not_found: None,
            bytes_to_download: None,
        }
    }

    /// Prints it.
    pub(crate) fn say(&self, common: &CommonFlags) -> Result<()> {
        if common.json {
            return print_json(self);
        }
        let Self { would, corpus, folder, songs, packages, packages_not_found, bytes_to_download } =
            self;
        if *songs == Some(0) {
            print(&format!("{corpus}: all songs are in {folder} already\n"))?;
            return Ok(());
        }
        let songs = songs.map_or(String::new(), |songs| format!("{} of ", count(songs, "song")));
        let packages = packages
            .map_or(String::new(), |packages| format!(", from {}", count(packages, "package")));
        let not_found = packages_not_found
            .filter(|&number| number > 0)
            .map_or(String::new(), |number| format!(" ({number} not found)"));
        let bytes = bytes_to_download
            .map_or(String::new(), |bytes| format!(", {} to download", HumanBytes(bytes)));
        print(&format!("would {would} {songs}{corpus} in {folder}{packages}{not_found}{bytes}\n"))?;
        Ok(())
    }
}

/// Gets the corpus that the flags name.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &FetchFlags,
    progress: &Progress,
) -> Result<Outcome> {
    if matches!(flags.corpus, FetchableCorpus::Demo) && flags.from.is_some() {
        return bad_usage("`demo` is synthesised here: there is nothing to take from `--from`");
    }
    if common.dry_run {
        return dry_run(common, flags);
    }
    match flags.corpus {
        FetchableCorpus::Demo => demo(common, progress),
        FetchableCorpus::FreeMusic(profile) => freemusic(common, flags, profile, progress),
        FetchableCorpus::Artist20 => artist20(common, flags),
    }
}

fn demo(common: &CommonFlags, progress: &Progress) -> Result<Outcome> {
    let settings = DemoSettings::default();
    Session::writing(common, progress)?.run(|session| synthesise(common, session, &settings))
}

/// What `--dry-run` says of a corpus. It looks, takes no lock and makes no folder.
fn dry_run(common: &CommonFlags, flags: &FetchFlags) -> Result<Outcome> {
    let data = DataFolder::new(&common.data);
    let intent = match flags.corpus {
        FetchableCorpus::Demo => intend_to_synthesise(&data, &DemoSettings::default()),
        FetchableCorpus::FreeMusic(profile) => {
            let settings = fetch_settings(flags, &data);
            let preview = preview(profile, &settings)?;
            Intent {
                songs: Some(preview.missing),
                packages: Some(preview.packages),
                packages_not_found: flags.from.is_some().then_some(preview.packages_not_found),
                bytes_to_download: preview.bytes_to_download,
                ..Intent::new("fetch", profile.corpus_name(), &settings.destination)
            }
        }
        FetchableCorpus::Artist20 => Intent::new("check", "artist20", artist20_folder(flags)?),
    };
    intent.say(common)?;
    Ok(Outcome::Done)
}

/// What [`synthesise`] would do.
pub(crate) fn intend_to_synthesise(data: &DataFolder, settings: &DemoSettings) -> Intent {
    let folder = data.raw("demo");
    Intent {
        songs: Some(demo::songs_to_make(&folder, settings)),
        ..Intent::new("synthesise", "demo", &folder)
    }
}

/// Makes the built-in corpus, or what is missing of it.
pub(crate) fn synthesise(
    common: &CommonFlags,
    session: &Session,
    settings: &DemoSettings,
) -> Result<Outcome> {
    let started = Instant::now();
    let folder = session.data.raw("demo");
    let bar = session.progress.bar(0, "demo", "songs");
    let draw = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let made = demo::generate(&folder, settings, &draw, &|| session.interrupt.is_asked())?;
    bar.finish_and_clear();
    let missing: Vec<String> = made.missing.iter().map(|song| song.display().to_string()).collect();
    let is_complete = missing.is_empty();
    say_fetched(
        common,
        &Fetched {
            corpus: "demo",
            folder: folder.display().to_string(),
            songs: made.songs,
            already_there: made.kept,
            missing,
            bytes_downloaded: 0,
            seconds: started.elapsed().as_secs_f64(),
        },
    )?;
    if is_complete {
        return Ok(Outcome::Done);
    }
    Ok(session.interrupted())
}

fn say_fetched(common: &CommonFlags, fetched: &Fetched<'_>) -> Result<()> {
    if common.json {
        return print_json(fetched);
    }
    let there = match fetched.already_there {
        0 => String::new(),
        kept if kept == fetched.songs => ", all there already".to_owned(),
        kept => format!(", {kept} there already"),
    };
    print(&format!(
        "{}: {} in {}{there} ({:.1} s)\n",
        fetched.corpus,
        count(fetched.songs - fetched.missing.len(), "song"),
        fetched.folder,
        fetched.seconds
    ))?;
    Ok(())
}

fn freemusic(
    common: &CommonFlags,
    flags: &FetchFlags,
    profile: Profile,
    progress: &Progress,
) -> Result<Outcome> {
    Session::writing(common, progress)?
        .run(|session| fetch_profile(common, flags, profile, session))
}

fn fetch_profile(
    common: &CommonFlags,
    flags: &FetchFlags,
    profile: Profile,
    session: &Session,
) -> Result<Outcome> {
    let started = Instant::now();
    let settings = fetch_settings(flags, &session.data);
    let watch = Watch::new(&session.progress, session.interrupt.clone());
    let fetched = fetch_freemusic(profile, &settings, &watch)?;
    watch.end();
    for failure in &fetched.failures {
        session.add_unusable(SongProblem {
            song: failure.track.clone().unwrap_or_else(|| failure.package.clone()),
            reason: failure.reason.clone(),
            hint: None,
        });
    }
    say_fetched(
        common,
        &Fetched {
            corpus: profile.corpus_name(),
            folder: settings.destination.display().to_string(),
            songs: fetched.tracks,
            already_there: fetched.kept,
            missing: fetched.missing.clone(),
            bytes_downloaded: fetched.bytes_downloaded,
            seconds: started.elapsed().as_secs_f64(),
        },
    )?;
    if fetched.cancelled {
        Ok(session.interrupted())
    } else if fetched.is_complete() {
        Ok(Outcome::Done)
    } else {
        Ok(Outcome::SomeSongsUnusable)
    }
}

fn fetch_settings(flags: &FetchFlags, data: &DataFolder) -> FetchSettings {
    FetchSettings {
        table: TABLE.into(),
        destination: data.raw("freemusic"),
        debs: flags.from.clone(),
        scratch: data.packages(),
        keep_packages: flags.keep_packages,
    }
}

/// Draws a fetch.
struct Watch {
    progress: Progress,
    interrupt: Interrupt,
    bars: Mutex<Bars>,
}

#[derive(Default)]
struct Bars {
    download: Option<ProgressBar>,
    unpack: Option<ProgressBar>,
}

impl Watch {
    fn new(progress: &Progress, interrupt: Interrupt) -> Self {
        Self { progress: progress.clone(), interrupt, bars: Mutex::default() }
    }

    fn end(&self) {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for bar in [bars.download.take(), bars.unpack.take()].into_iter().flatten() {
            bar.finish_and_clear();
        }
    }
}

impl FetchObserver for Watch {
    fn event(&self, event: FetchEvent<'_>) {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            FetchEvent::Planned {
                tracks_complete,
                tracks_missing,
                packages,
                bytes_to_download,
            } => {
                self.progress.say(format!(
                    "{} there already, {} missing, in {}",
                    count(tracks_complete, "song"),
                    tracks_missing,
                    count(packages, "package")
                ));
                if bytes_to_download > 0 {
                    bars.download = Some(self.progress.bytes(bytes_to_download, "download"));
                }
            }
            FetchEvent::Downloaded { package, bytes_of_all, .. } => {
                if let Some(bar) = &bars.download {
                    bar.set_position(bytes_of_all);
                    bar.set_message(package.to_owned());
                }
            }
            FetchEvent::Unpacked { package, bytes, bytes_total } => {
                let bar =
                    bars.unpack.get_or_insert_with(|| self.progress.bytes(bytes_total, "unpack"));
                bar.set_length(bytes_total);
                bar.set_position(bytes);
                bar.set_message(package.to_owned());
            }
            FetchEvent::PackageDone { .. } => {
                if let Some(bar) = bars.unpack.take() {
                    bar.finish_and_clear();
                }
            }
            // What failed is listed at the end.
            _ => {}
        }
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_asked()
    }
}

fn artist20(common: &CommonFlags, flags: &FetchFlags) -> Result<Outcome> {
    let folder = artist20_folder(flags)?;
    let check = check_artist20(folder)?;
    if common.json {
        print_json(&check)?;
    } else {
        print(&format!("{check}\n"))?;
    }
    if !check.is_complete() {
        bail!("the copy of artist20 in `{}` is not complete", folder.display());
    }
    Ok(Outcome::Done)
}

fn artist20_folder(flags: &FetchFlags) -> Result<&Path> {
    flags.from.as_deref().context(
        "artist20 cannot be downloaded: its owners give it on request\n\n\
         hint: ask LabROSA at Columbia University for it, then check your copy with \
         `cargo xtask fetch artist20 --from DIR`",
    )
}
