//! What apt knows about packages, and getting them through it: without root, without installing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::observer::FetchObserver;
use super::table::Package;
use super::unpack::CannotWrite;

const MAX_MESSAGE_BYTES: u64 = 64 * 1024;
const POLL: Duration = Duration::from_millis(200);
/// apt itself gives up on a silent server after half a minute, twice.
const LONGEST_SILENCE: Duration = Duration::from_secs(180);

/// What the archive offers of one package at the wanted version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// The exact size of the package file.
    pub(super) bytes: u64,
    /// Its sum in hexadecimal, where the archive tells it.
    pub(super) sha256: Option<String>,
}

/// Asks apt's lists on this machine about exact versions; the answer is by package name, without
/// those that the lists do not have.
///
/// # Errors
///
/// If there is no apt, or it does not run.
pub(super) fn look_up(packages: &[&Package]) -> Result<BTreeMap<String, Offer>> {
    let mut command = Command::new("apt-cache");
    command.args(["--quiet", "show"]).env("LC_ALL", "C").stdin(Stdio::null());
    command.args(packages.iter().map(|package| format!("{}={}", package.name, package.version)));
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("this machine has no apt to fetch Debian packages with")
        }
        Err(error) => return Err(error).context("cannot run `apt-cache`"),
    };
    Ok(offers(&String::from_utf8_lossy(&output.stdout), packages))
}

/// Reads the paragraphs of `apt-cache show`.
fn offers(text: &str, packages: &[&Package]) -> BTreeMap<String, Offer> {
    let mut found = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let (Some(name), Some(version), Some(bytes)) =
            (field("Package"), field("Version"), field("Size").and_then(|size| size.parse().ok()))
        else {
            continue;
        };
        if packages.iter().any(|package| package.name == name && package.version == version) {
            let offer = Offer { bytes, sha256: field("SHA256").map(str::to_owned) };
            found.insert(name.to_owned(), offer);
        }
    }
    found
}

/// Downloads a package into `folder`, which holds nothing else, or what an earlier attempt left
/// there: apt goes on where that stopped. `progress` is told the size of the file as it grows.
///
/// # Errors
///
/// If apt fails, nothing arrives for three minutes, or the observer says stop; with
/// [`CannotWrite`] as context if `folder` cannot be written.
pub(super) fn download(
    package: &Package,
    folder: &Path,
    observer: &dyn FetchObserver,
    mut progress: impl FnMut(u64),
) -> Result<PathBuf> {
    let cannot_write = || CannotWrite(folder.to_owned());
    fs::create_dir_all(folder).with_context(cannot_write)?;
    let mut running = Running::start(package, folder)?;
    let mut size = 0;
    let mut last_growth = Instant::now();
    let status = loop {
        if let Some(status) = running.child.try_wait()? {
            break status;
        }
        if observer.is_cancelled() {
            bail!("stopped on request");
        }
        if last_growth.elapsed() > LONGEST_SILENCE {
            bail!("nothing arrived for {} s", LONGEST_SILENCE.as_secs());
        }
        thread::sleep(POLL);
        let now = package_file(folder)?.map_or(0, |(_, bytes)| bytes);
        if now != size {
            size = now;
            last_growth = Instant::now();
            progress(size);
        }
    };
    if !status.success() {
        let messages = running.messages();
        if lacks_space(&messages) {
            return Err(anyhow!("no space left on device")).with_context(cannot_write);
        }
        bail!("{}", explain(&messages));
    }
    match package_file(folder)? {
        Some((path, bytes)) => {
            progress(bytes);
            Ok(path)
        }
        None => bail!("apt-get ended well, yet left no package file"),
    }
}

/// `apt-get` at work, ended when this is dropped.
struct Running {
    child: Child,
    messages: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    fn start(package: &Package, folder: &Path) -> Result<Self> {
        let mut child = Command::new("apt-get")
            // Progress lines on a pipe: should this process be killed, apt dies writing the next.
            .args(["-qq", "-o", "APT::Status-Fd=1", "-o", "Acquire::Retries=2"])
            // Started by root, apt would drop to a user who may not write here; started by anybody
            // else, it ignores this.
            .args(["-o", "APT::Sandbox::User=root"])
            .args(["download", &format!("{}={}", package.name, package.version)])
            .current_dir(folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run `apt-get`")?;
        // Unread, a pipe would fill and hold apt up.
        if let Some(mut lines) = child.stdout.take() {
            thread::spawn(move || io::copy(&mut lines, &mut io::sink()));
        }
        let messages = child.stderr.take().map(|mut lines| {
            thread::spawn(move || {
                let mut text = Vec::new();
                // What was read before a failure, or the limit, has to do.
                drop(lines.by_ref().take(MAX_MESSAGE_BYTES).read_to_end(&mut text));
                drop(io::copy(&mut lines, &mut io::sink()));
                text
            })
        });
        Ok(Self { child, messages })
    }

    /// What apt wrote to standard error, once it has ended.
    fn messages(&mut self) -> String {
        let text = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// The one file ending in `.deb`, and its size.
fn package_file(folder: &Path) -> Result<Option<(PathBuf, u64)>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            // Between listing and looking, apt may rename it.
            if let Ok(metadata) = entry.metadata() {
                return Ok(Some((path, metadata.len())));
            }
        }
    }
    Ok(None)
}

fn lacks_space(messages: &str) -> bool {
    ["No space left", "enough free space", "Disk quota"].iter().any(|text| messages.contains(text))
}

/// apt's messages in short, without the addresses of servers: which mirror a machine uses is
/// nobody's business in a log.
fn explain(messages: &str) -> String {
    let contains = |texts: &[&str]| texts.iter().any(|text| messages.contains(text));
    if contains(&["resolving", "Could not connect", "Cannot initiate", "Network is unreachable"]) {
        return "apt-get cannot reach the archive: is there a network?".to_owned();
    }
    if contains(&["404  Not Found", "404 Not Found"]) {
        return "the archive no longer has this version: run `apt-get update` as root".to_owned();
    }
    if contains(&["was not found", "Unable to locate package", "Can't find a source"]) {
        return "apt-get does not know this version: run `apt-get update` as root".to_owned();
    }
    let line = messages.lines().find(|line| line.starts_with("E:")).unwrap_or("E: it said nothing");
    let words: Vec<&str> = line
        .split_whitespace()
        .skip(1)
        .map(|word| if word.contains("://") { "(address)" } else { word })
        .collect();
    format!("apt-get failed: {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::sha256::Sha256Sum;
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package { name: name.into(), version: version.into(), sum: Sha256Sum::of(b"") }
    }

    #[test]
    fn offers_are_of_the_wanted_version_alone() {
        let text = "Package: music\nVersion: 2.0-1\nDescription: x\n Size: 9\nSize: 42\n\
            SHA256: abcd\n\nPackage: music\nVersion: 1.0-1\nSize: 7\n\nPackage: other\n\
            Version: 1\nSize: 1\n\nPackage: sizeless\nVersion: 1\n";
        let wanted = [package("music", "2.0-1"), package("other", "2"), package("sizeless", "1")];
        let found = offers(text, &wanted.iter().collect::<Vec<_>>());
        assert_eq!(found.len(), 1);
        assert_eq!(found["music"], Offer { bytes: 42, sha256: Some("abcd".into()) });
    }

    #[test]
    fn messages_name_no_server() {
        let text = "E: Failed to fetch http://archive.example/pool/m/music.deb  Hash mismatch\n";
        assert_eq!(explain(text), "apt-get failed: Failed to fetch (address) Hash mismatch");
        let offline = explain("W: x\nE: Temporary failure resolving 'archive.example'\n");
        assert!(offline.contains("network") && !offline.contains("example"), "{offline}");
        assert!(explain("").contains("said nothing"));
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        assert!(lacks_space("E: Write error - write (28: No space left on device)\n"));
        assert!(!lacks_space("E: Failed to fetch http://archive.example/  404  Not Found\n"));
    }
}
