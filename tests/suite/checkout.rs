//! A folder to work in, with small music and the commands.

use std::f32::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Samples a second of the music made here.
const SAMPLE_RATE: u32 = 16_000;

/// A temporary folder with `music` and `data` in it.
pub(crate) struct Checkout {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics with everything printed unless the command ended with `code`.
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n-- stdout\n{}\n-- stderr\n{}", self.out, self.err);
        self
    }

    /// Panics unless standard error has every one of `parts`.
    pub(crate) fn expect_error(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in\n{}", self.err);
        }
        self
    }

    /// The lines of standard output as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Checkout {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// One with three artists of three albums of two songs, which differ by their tones.
    pub(crate) fn with_music() -> Self {
        let checkout = Self::new();
        for (artist, frequency) in [("Alto", 440.0), ("Basso", 110.0), ("Canto", 1760.0)] {
            for album in 1..=3 {
                for song in 1..=2 {
                    let path = format!("{artist}/Album {album}/Song {song}.wav");
                    let detune = 1.0 + 0.02 * (album * 2 + song) as f32;
                    checkout.song(&path, frequency * detune, 4.2);
                }
            }
        }
        checkout
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path under the music folder.
    pub(crate) fn music(&self, path: &str) -> PathBuf {
        self.path().join("music").join(path)
    }

    /// Writes a song: a tone with two partials and a slow tremolo.
    pub(crate) fn song(&self, path: &str, frequency: f32, seconds: f32) {
        let samples = (0..(seconds * SAMPLE_RATE as f32) as usize).map(|position| {
            let time = position as f32 / SAMPLE_RATE as f32;
            let tremolo = 0.6 + 0.4 * (TAU * 1.5 * time).sin();
            let tone = (TAU * frequency * time).sin() + 0.5 * (TAU * 2.0 * frequency * time).sin();
            0.3 * tremolo * tone
        });
        self.wav(path, samples);
    }

    /// Writes float samples as a WAV file.
    pub(crate) fn wav(&self, path: &str, samples: impl Iterator<Item = f32>) {
        let path = self.music(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for sample in samples {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
    }

    /// Writes any bytes as a file of the music folder.
    pub(crate) fn bytes(&self, path: &str, bytes: &[u8]) {
        let path = self.music(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The command with these arguments, to be started in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-under-test"));
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Runs a command on the music folder with settings that train within seconds.
    pub(crate) fn quick(&self, command: &str, further: &[&str]) -> Ended {
        self.run(&quick_arguments(command, further))
    }

    /// Starts a command on the music folder and does not wait.
    pub(crate) fn start_quick(&self, command: &str, further: &[&str]) -> Child {
        self.start(&quick_arguments(command, further))
    }

    /// Starts a command and does not wait.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The only run's folder.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let corpora = only_entry(&self.path().join("data/runs"));
        only_entry(&corpora)
    }

    /// Bytes of a file of the only run.
    pub(crate) fn run_file(&self, name: &str) -> Vec<u8> {
        fs::read(self.run_folder().join(name)).unwrap()
    }

    /// The Parquet files of all spectrograms, sorted.
    pub(crate) fn spectrogram_files(&self) -> Vec<PathBuf> {
        files_under(&self.path().join("data/cache"), "parquet")
    }
}

fn quick_arguments<'a>(command: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![command, "--corpus", "music"];
    if command != "preprocess" {
        arguments.extend(["--clip", "1s"]);
        if !further.contains(&"--epochs") {
            arguments.extend(["--epochs", "2"]);
        }
    }
    arguments.extend(further);
    arguments
}

fn only_entry(folder: &Path) -> PathBuf {
    let entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

/// The files of an extension under a folder, sorted; none where there is no folder.
pub(crate) fn files_under(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = all_files_under(folder);
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files
}

/// All files under a folder, sorted; none where there is no folder.
pub(crate) fn all_files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect_files(folder, &mut files);
    files.sort();
    files
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.push(path);
        }
    }
}
