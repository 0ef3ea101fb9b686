//! Progress bars on standard error, and log lines that do not tear them.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Where bars and messages go. Clones draw on the same lines.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bars: MultiProgress,
    quiet: bool,
    /// Which of several pieces of work at once this tells of.
    piece: Option<Piece>,
}

/// One of several pieces of work.
#[derive(Debug, Clone)]
struct Piece {
    name: Arc<str>,
    all: Arc<Pieces>,
    number: usize,
    /// Whether the user asked for quiet; notices of a piece are dropped in any case.
    is_quiet: bool,
}

/// How far several pieces of work are, as one bar with the time left.
#[derive(Debug)]
pub(crate) struct Pieces {
    bar: ProgressBar,
    started: Instant,
    /// From 0 to 1 of each piece; none of one that there was nothing to do for.
    shares: Mutex<Vec<Option<f64>>>,
}

/// What all pieces come to.
struct Sum {
    ended: usize,
    of: usize,
    /// Shares of those that there was anything to do for, and how many these are.
    done: f64,
    worth: f64,
    /// At the speed so far; none before there is any.
    seconds_left: Option<f64>,
}

impl Pieces {
    /// Takes note of how far a piece is, 0 to 1.
    fn set(&self, number: usize, share: Option<f64>) {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)[number] = share;
        let sum = self.sum();
        self.bar.set_length((1000.0 * sum.worth) as u64);
        self.bar.set_position((1000.0 * sum.done) as u64);
        let left = sum
            .seconds_left
            .map_or_else(String::new, |seconds| format!("  (left {})", duration(seconds)));
        let elapsed = duration(self.started.elapsed().as_secs_f64());
        self.bar.set_message(format!("{}/{} trials  {elapsed}{left}", sum.ended, sum.of));
    }

    /// Takes note that a piece is done; `worked` says whether there was anything to do.
    pub(crate) fn end(&self, number: usize, worked: bool) {
        self.set(number, worked.then_some(1.0));
    }

    /// How many have ended, and the time that the rest will take, in words.
    pub(crate) fn summary(&self) -> String {
        let sum = self.sum();
        let left = match sum.seconds_left {
            Some(seconds) if sum.ended < sum.of => format!(", about {} left", duration(seconds)),
            _ => String::new(),
        };
        format!("{} of {} trials{left}", sum.ended, sum.of)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn sum(&self) -> Sum {
        let shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = shares.iter().filter(|share| share.is_none_or(|share| share >= 1.0)).count();
        let worth = shares.iter().flatten().count() as f64;
        let done = shares.iter().flatten().sum::<f64>();
        let elapsed = self.started.elapsed().as_secs_f64();
        let seconds_left = (done > 0.0).then(|| elapsed * (worth - done) / done);
        Sum { ended, of: shares.len(), done, worth, seconds_left }
    }
}

/// A time in the two units that matter.
fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

impl Progress {
    /// Bars on standard error where that is a terminal; none where it is not, or with `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let bars = MultiProgress::new();
        if quiet {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bars, quiet, piece: None }
    }

    /// One bar over `count` pieces of work.
    pub(crate) fn pieces(&self, count: usize, label: &'static str) -> Arc<Pieces> {
        let template = "{prefix:>12} [{bar:28}] {msg}";
        let bar = self.add(ProgressBar::new(1000 * count as u64), label, template);
        let shares = Mutex::new(vec![Some(0.0); count]);
        Arc::new(Pieces { bar, started: Instant::now(), shares })
    }

    /// What tells of one piece: its bars and its last words bear its name, and notices are dropped.
    pub(crate) fn of_piece(&self, all: &Arc<Pieces>, number: usize, name: &str) -> Self {
        let (all, is_quiet) = (Arc::clone(all), self.quiet);
        let piece = Piece { name: name.into(), all, number, is_quiet };
        Self { bars: self.bars.clone(), quiet: true, piece: Some(piece) }
    }

    /// How far this piece of work is, 0 to 1; that it is done, [`Pieces::end`] says.
    pub(crate) fn share(&self, share: f64) {
        if let Some(piece) = &self.piece {
            piece.all.set(piece.number, Some(share.min(0.99)));
        }
    }

    /// Sends log lines of this process to standard error, above the bars.
    ///
    /// `CANTUS_LOG` takes a filter as in `cantus_audio=debug`; `verbose` raises the default.
    pub(crate) fn install_logging(&self, verbose: u8, quiet: bool) {
        let default = match (quiet, verbose) {
            (true, _) => "error",
            (false, 0) => "warn",
            (false, 1) => "info",
            (false, _) => "debug",
        };
        let filter = EnvFilter::try_from_env("CANTUS_LOG")
            .unwrap_or_else(|_| EnvFilter::new(format!("{default},symphonia=error")));
        let result = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(self.clone())
            .with_target(false)
            .with_ansi(colours())
            .without_time()
            .try_init();
        // A second command of the same process (a test driving the library) keeps the first one's
        // log.
        drop(result);
    }

    /// A bar over `total` things called `unit`, with a rate and the time left.
    pub(crate) fn bar(
        &self,
        total: u64,
        label: impl Into<Cow<'static, str>>,
        unit: &str,
    ) -> ProgressBar {
        let template = format!(
            "{{prefix:>12}} [{{bar:28}}] {{human_pos}}/{{human_len}} {unit}  {{msg}}  \
             {{elapsed}} (left {{eta}})"
        );
        self.add(ProgressBar::new(total), label, &template)
    }

    /// A bar over bytes.
    pub(crate) fn bytes(&self, total: u64, label: impl Into<Cow<'static, str>>) -> ProgressBar {
        let template = "{prefix:>12} [{bar:28}] {bytes}/{total_bytes}  {bytes_per_sec}  {msg}  \
                        {elapsed} (left {eta})";
        self.add(ProgressBar::new(total), label, template)
    }

    fn add(
        &self,
        bar: ProgressBar,
        label: impl Into<Cow<'static, str>>,
        template: &str,
    ) -> ProgressBar {
        #[expect(clippy::expect_used, reason = "the templates are constants of this file")]
        let style = ProgressStyle::with_template(template)
            .expect("a template of this file")
            .progress_chars("=> ");
        let label = match &self.piece {
            Some(piece) => format!("{} {}", piece.name, label.into()).into(),
            None => label.into(),
        };
        let bar = self.bars.add(bar.with_style(style).with_prefix(label));
        bar.enable_steady_tick(Duration::from_millis(500));
        bar
    }

    /// Does what writes to the terminal while no bar is on it.
    pub(crate) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bars.suspend(work)
    }

    /// A notice for people, on standard error, above the bars; with `quiet` it is dropped.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            self.say_even_if_quiet(line);
        }
    }

    /// A warning: dropped with `quiet`, but said by a piece of work as by any other.
    pub(crate) fn warn(&self, line: impl AsRef<str>) {
        let line = format!("warning: {}", line.as_ref());
        if !self.piece.as_ref().map_or(self.quiet, |piece| piece.is_quiet) {
            self.say_even_if_quiet(line);
        }
    }

    /// What belongs to how a command ended, and is said in any case.
    pub(crate) fn say_even_if_quiet(&self, line: impl AsRef<str>) {
        let name =
            self.piece.as_ref().map_or_else(String::new, |piece| format!("{}: ", piece.name));
        self.bars.suspend(|| {
            // Nobody reading standard error is no reason to stop.
            drop(writeln!(io::stderr().lock(), "{name}{}", line.as_ref()));
        });
    }
}

/// Whether log lines have colours: on a terminal whose user has not declined them
/// (<https://no-color.org>).
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A log line on its way to standard error.
pub(crate) struct LogLine<'a> {
    progress: &'a Progress,
    text: Vec<u8>,
}

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        // The filter has decided already.
        self.progress.say_even_if_quiet(text.trim_end());
    }
}

impl<'a> MakeWriter<'a> for Progress {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine { progress: self, text: Vec::new() }
    }
}
