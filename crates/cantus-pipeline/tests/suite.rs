//! A small pipeline run as a runner would, and failures that only a real process can show.

#![expect(clippy::unwrap_used, reason = "what tests share may fail as a test does")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cantus_pipeline::{
    AtomicFile, Fingerprint, Freshness, Lock, LockError, PipelineError, Plan, Reason, Stage,
    StatCache, Verdict, content_digest, sweep_leftovers, write_atomic_bytes,
};

/// Three stages over folders of text: `collect` joins the songs, `count` counts words of at least
/// some length, `title` makes a headline of the count.
struct Toy {
    folder: tempfile::TempDir,
    settings: BTreeMap<&'static str, u32>,
}

impl Toy {
    const STAGES: [&str; 3] = ["collect", "count", "title"];

    fn new() -> Self {
        let toy = Self {
            folder: tempfile::tempdir().unwrap(),
            settings: BTreeMap::from([("word_length", 3), ("width", 20), ("format_version", 1)]),
        };
        toy.song("a", "one two three");
        toy.song("b", "four five six");
        toy
    }

    fn song(&self, name: &str, text: &str) {
        let songs = self.folder.path().join("songs");
        fs::create_dir_all(&songs).unwrap();
        fs::write(songs.join(name), text).unwrap();
    }

    fn output(&self, stage: &str) -> PathBuf {
        self.folder.path().join(format!("{stage}.txt"))
    }

    fn fingerprint_path(&self, stage: &str) -> PathBuf {
        self.folder.path().join(format!("{stage}.fingerprint.json"))
    }

    fn songs(&self) -> BTreeMap<String, String> {
        fs::read_dir(self.folder.path().join("songs"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let text = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect()
    }

    fn stage(&self, name: &str) -> Stage {
        let stage = Stage::new(name).output(self.output(name));
        match name {
            "count" => stage.after("collect"),
            "title" => stage.after("count"),
            _ => stage,
        }
    }

    fn wanted(&self, stage: &str) -> Fingerprint {
        let builder = Fingerprint::builder(stage, self.settings["format_version"]);
        let from = |name: &str| {
            fs::read(self.output(name)).map_or_else(|_| "absent".into(), |b| content_digest(&b))
        };
        match stage {
            "collect" => {
                let songs = self.songs().into_iter();
                builder.input_set("songs", songs.map(|(n, t)| (n, content_digest(t.as_bytes()))))
            }
            "count" => builder
                .setting("word_length", self.settings["word_length"])
                .input("collect", from("collect")),
            _ => builder.setting("width", self.settings["width"]).input("count", from("count")),
        }
        .build()
    }

    fn check(&self, stage: &str) -> Freshness {
        let saved = Fingerprint::load(self.fingerprint_path(stage)).unwrap();
        self.stage(stage).check(&saved, &self.wanted(stage), false)
    }

    fn plan(&self) -> Plan {
        Plan::explain(Self::STAGES.map(|name| (self.stage(name), self.check(name)))).unwrap()
    }

    /// Runs what is stale and returns the names of the stages that ran.
    fn run(&self) -> Vec<&'static str> {
        let mut ran = Vec::new();
        for stage in Self::STAGES {
            if self.check(stage).is_fresh() {
                continue;
            }
            let wanted = self.wanted(stage);
            Fingerprint::invalidate(self.fingerprint_path(stage)).unwrap();
            let text = match stage {
                "collect" => self.songs().into_values().collect::<Vec<_>>().join("\n"),
                "count" => {
                    let text = fs::read_to_string(self.output("collect")).unwrap();
                    let length = self.settings["word_length"] as usize;
                    text.split_whitespace().filter(|word| word.len() >= length).count().to_string()
                }
                _ => {
                    let count = fs::read_to_string(self.output("count")).unwrap();
                    format!("{count:>width$}", width = self.settings["width"] as usize)
                }
            };
            write_atomic_bytes(self.output(stage), text.as_bytes()).unwrap();
            wanted.save(self.fingerprint_path(stage)).unwrap();
            ran.push(stage);
        }
        ran
    }
}

#[test]
fn each_edit_runs_exactly_the_stages_it_touches() {
    type EditToy = fn(&mut Toy);
    let table: &[(&str, EditToy, &[&str])] = &[
        ("nothing", |_| {}, &[]),
        ("same bytes again", |toy| toy.song("a", "one two three"), &[]),
        (
            "a setting of the last stage",
            |toy| *toy.settings.get_mut("width").unwrap() = 30,
            &["title"],
        ),
        (
            "a setting that changes the count",
            |toy| {
                *toy.settings.get_mut("word_length").unwrap() = 4;
            },
            &["count", "title"],
        ),
        // Early cut-off: no word has just two letters, so the count is the same.
        (
            "a setting that changes nothing below",
            |toy| {
                *toy.settings.get_mut("word_length").unwrap() = 2;
            },
            &["count"],
        ),
        ("a song with as many words", |toy| toy.song("a", "uno dos tres"), &["collect", "count"]),
        ("a new song", |toy| toy.song("c", "seven eight nine"), &Toy::STAGES),
        (
            "a removed song",
            |toy| {
                fs::remove_file(toy.folder.path().join("songs/a")).unwrap();
            },
            &Toy::STAGES,
        ),
        // Joined in the order of their names, the texts are the same.
        (
            "a renamed song",
            |toy| {
                let songs = toy.folder.path().join("songs");
                fs::rename(songs.join("b"), songs.join("c")).unwrap();
            },
            &["collect"],
        ),
        ("a lost output", |toy| fs::remove_file(toy.output("count")).unwrap(), &["count"]),
        (
            "a lost fingerprint",
            |toy| {
                fs::remove_file(toy.fingerprint_path("count")).unwrap();
            },
            &["count"],
        ),
        (
            "a torn fingerprint",
            |toy| {
                fs::write(toy.fingerprint_path("title"), "{\"stage\":").unwrap();
            },
            &["title"],
        ),
        (
            "a format version",
            |toy| *toy.settings.get_mut("format_version").unwrap() = 2,
            &Toy::STAGES,
        ),
    ];
    for (name, edit, expected) in table {
        let mut toy = Toy::new();
        assert_eq!(toy.run(), Toy::STAGES);
        assert!(toy.plan().is_fresh());
        edit(&mut toy);
        // What will run is in the plan before, as stale or as maybe stale.
        let plan = toy.plan();
        assert_eq!(&toy.run(), expected, "{name}");
        for stage in *expected {
            assert_ne!(plan.verdict(stage), Some(&Verdict::Fresh), "{name}: {stage}");
        }
        assert_eq!(toy.run(), [""; 0], "{name}: a second run");
        assert!(toy.plan().is_fresh(), "{name}");
    }
}

#[test]
fn a_crash_inside_a_stage_leaves_it_stale_even_if_the_settings_go_back() {
    let mut toy = Toy::new();
    toy.run();
    *toy.settings.get_mut("word_length").unwrap() = 4;
    Fingerprint::invalidate(toy.fingerprint_path("count")).unwrap();
    write_atomic_bytes(toy.output("count"), b"half of the outputs are new").unwrap();
    *toy.settings.get_mut("word_length").unwrap() = 3;
    assert_eq!(toy.check("count").reasons(), [Reason::NeverBuilt]);
    assert_eq!(toy.run(), ["count"]);
}

#[test]
fn a_stat_cache_and_bytes_in_memory_agree_on_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let bytes: Vec<u8> = (0..1_000_003_u32).map(|i| (i * i) as u8).collect();
    fs::write(&path, &bytes).unwrap();
    let cache = StatCache::open(folder.path().join("cache")).unwrap();
    assert_eq!(cache.hash_file(&path).unwrap(), content_digest(&bytes));
}

/// The tests below start this very binary again, for themselves alone, with this variable set to
/// the path to work at; so told, they do the child's part.
#[cfg(unix)]
const CHILD_AT: &str = "CANTUS_PIPELINE_TEST_CHILD_AT";

#[cfg(unix)]
fn child(test: &str, path: &Path, shell_before: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{shell_before} exec \"$0\" --exact {test} --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .env(CHILD_AT, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Tells the parent through standard output.
#[cfg(unix)]
fn say(line: &str) {
    use std::io::Write;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).unwrap();
}

#[cfg(unix)]
fn write_more_than_fits(path: &Path) {
    use std::io::Write;
    let mut file = AtomicFile::create(path).unwrap();
    let written = file.write_all(&vec![1; 1 << 20]);
    let error = PipelineError::io("write", path, written.unwrap_err());
    let PipelineError::StorageFull { path: named, bytes_written, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(named, path);
    say(&format!("full after {bytes_written}"));
    let error = file.commit().unwrap_err();
    assert!(matches!(error, PipelineError::StorageFull { .. }), "{error:?}");
    say("commit refused");
}

#[cfg(unix)]
fn write_until_killed(path: &Path) {
    use std::io::Write;
    let _lock = Lock::try_acquire(path.parent().unwrap()).unwrap();
    let mut file = AtomicFile::create(path).unwrap();
    file.write_all(&vec![1; 1 << 20]).unwrap();
    say("writing");
    loop {
        std::thread::park();
    }
}

#[cfg(unix)]
#[test]
fn a_write_that_no_longer_fits_says_so_and_leaves_the_old_file() {
    if let Some(path) = std::env::var_os(CHILD_AT) {
        return write_more_than_fits(path.as_ref());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    write_atomic_bytes(&path, b"old").unwrap();
    // With its signal ignored, the limit on file sizes makes writes fail as a full disk does.
    let output = child(
        "a_write_that_no_longer_fits_says_so_and_leaves_the_old_file",
        &path,
        "trap '' XFSZ; ulimit -f 100;",
    )
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("full after ") && text.contains("commit refused"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_killed_writer_leaves_the_old_file_a_leftover_to_sweep_and_a_free_lock() {
    use std::io::{BufRead, BufReader};
    if let Some(path) = std::env::var_os(CHILD_AT) {
        return write_until_killed(path.as_ref());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    write_atomic_bytes(&path, b"old").unwrap();
    let mut writer =
        child("a_killed_writer_leaves_the_old_file_a_leftover_to_sweep_and_a_free_lock", &path, "")
            .spawn()
            .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("writing")));

    let error = Lock::try_acquire(folder.path()).unwrap_err();
    let LockError::Held { holder, .. } = &error else { panic!("{error:?}") };
    assert_eq!(holder.pid, Some(writer.id()));
    assert!(sweep_leftovers(folder.path()).unwrap().is_empty());

    writer.kill().unwrap();
    writer.wait().unwrap();
    let _lock = Lock::try_acquire(folder.path()).unwrap();
    assert_eq!(sweep_leftovers(folder.path()).unwrap().len(), 1);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

const fn shared<T: Send + Sync + 'static>() {}

/// What may go from thread to thread and be shared between them: held while this compiles.
const _: () = {
    shared::<AtomicFile>();
    shared::<Fingerprint>();
    shared::<Lock>();
    shared::<LockError>();
    shared::<PipelineError>();
    shared::<Plan>();
    shared::<Stage>();
    shared::<StatCache>();
};
