//! What the manifests say to those who depend on a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Categories in use, each one that the registry knows.
const CATEGORIES: [&str; 7] = [
    "caching",
    "filesystem",
    "mathematics",
    "multimedia::audio",
    "multimedia::encoding",
    "science",
    "visualization",
];

/// What dependencies need that do not state it: on x86-64 candle-core 0.11 calls `__cpuid_count` as
/// the safe function that it has been since.
const UNSTATED: [(&str, &str); 1] = [("candle-core", "1.94")];

/// What stands in each package's folder.
const FILES: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// The packages of the workspace.
pub(crate) fn packages() -> Vec<Value> {
    metadata(&["--no-deps"])["packages"].as_array().unwrap().clone()
}

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The packages for strangers.
fn published() -> Vec<Value> {
    packages().into_iter().filter(|package| package["publish"].is_null()).collect()
}

/// The triple of the machine that the tests run on: packages for others need not be here.
fn host() -> String {
    let output = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map(|number| number.parse().unwrap()).collect();
    numbers.resize(3, 0);
    numbers
}

#[test]
fn every_package_inherits_the_workspaces_edition_and_licence() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert_eq!(package["edition"], "2024", "{name}");
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{name}");
    }
}

#[test]
fn no_dependency_asks_for_a_newer_rust_than_its_crate_states() {
    let metadata = metadata(&["--locked", "--filter-platform", &host()]);
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let dependencies: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), list(&node["dependencies"]).iter().map(text).collect()))
        .collect();
    for member in list(&metadata["workspace_members"]) {
        let member = text(&member);
        let (stated, of) = (&packages[&member]["rust_version"], &packages[&member]["name"]);
        let stated = stated.as_str().unwrap();
        let (mut seen, mut next) = (BTreeSet::from([member.clone()]), vec![member]);
        while let Some(id) = next.pop() {
            let name = packages[&id]["name"].as_str().unwrap();
            let unstated = UNSTATED.iter().find(|(unstated, _)| *unstated == name);
            let asked =
                unstated.map(|(_, asked)| *asked).or(packages[&id]["rust_version"].as_str());
            if let Some(asked) = asked {
                assert!(version(asked) <= version(stated), "{of}: {name} asks for {asked}");
            }
            next.extend(dependencies[&id].iter().filter(|id| seen.insert((*id).clone())).cloned());
        }
    }
}

#[test]
fn the_commands_and_these_tests_alone_are_not_for_publication() {
    let mut kept: Vec<String> = packages()
        .into_iter()
        .filter(|package| !package["publish"].is_null())
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect();
    kept.sort();
    assert_eq!(kept, ["cantus-tests", "xtask"]);
}

#[test]
fn every_published_package_says_what_it_is_under_keywords_and_categories_that_a_registry_takes() {
    for package in published() {
        let name = package["name"].as_str().unwrap();
        assert!(!package["description"].as_str().unwrap().is_empty(), "{name}");
        assert_eq!(package["readme"], "README.md", "{name}");
        let keywords = package["keywords"].as_array().unwrap();
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        for keyword in keywords {
            let keyword = keyword.as_str().unwrap();
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_+".contains(letter);
            assert!(keyword.len() <= 20 && keyword.chars().all(is_plain), "{name}: {keyword}");
        }
        let categories = package["categories"].as_array().unwrap();
        assert!((1..=5).contains(&categories.len()), "{name}: {categories:?}");
        for category in categories {
            assert!(CATEGORIES.iter().any(|known| category == known), "{name}: {category}");
        }
    }
}

#[test]
fn every_published_package_carries_its_licences_readme_changelog_and_an_example() {
    for package in published() {
        let name = package["name"].as_str().unwrap();
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let listed = Command::new(env!("CARGO"))
            .args(["package", "--list", "--allow-dirty", "--offline", "--package", name])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let listed = String::from_utf8(listed.stdout).unwrap();
        let listed: Vec<&str> = listed.lines().collect();
        for file in FILES {
            assert!(listed.contains(&file), "{name} goes without {file}");
            assert!(folder.join(file).metadata().unwrap().len() > 0, "{name}: {file} is empty");
        }
        let an_example =
            listed.iter().any(|file| Path::new(file).parent() == Some(Path::new("examples")));
        assert!(an_example, "{name} has no example");
        let is_test = |file: &&str| file.starts_with("tests/") && !file.starts_with("tests/data/");
        assert!(!listed.iter().any(is_test), "{name} carries its tests");
    }
}
