//! Progress bars on standard error, and log lines that do not tear them.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Where bars and messages go. Clones draw on the same lines.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bars: MultiProgress,
    quiet: bool,
}

impl Progress {
    /// Bars on standard error where that is a terminal; none where it is not, or with `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let bars = MultiProgress::new();
        if quiet {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bars, quiet }
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
        let bar = self.bars.add(bar.with_style(style).with_prefix(label));
        bar.enable_steady_tick(Duration::from_millis(500));
        bar
    }

    /// A notice for people, on standard error, above the bars; with `quiet` it is dropped.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            self.say_even_if_quiet(line);
        }
    }

    /// What belongs to how a command ended, and is said in any case.
    pub(crate) fn say_even_if_quiet(&self, line: impl AsRef<str>) {
        self.bars.suspend(|| {
            // Nobody reading standard error is no reason to stop.
            drop(writeln!(io::stderr().lock(), "{}", line.as_ref()));
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
