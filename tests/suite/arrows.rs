//! The drawing in `docs/architecture.md`, held against the manifests.

use std::collections::BTreeSet;

use crate::manifests::packages;

/// Which sibling may stand on which.
const ARROWS: [(&str, &[&str]); 11] = [
    ("cantus", &["cantus-audio", "cantus-crnn", "cantus-mel"]),
    ("cantus-audio", &[]),
    ("cantus-baseline", &["cantus-mel"]),
    ("cantus-cache", &[]),
    ("cantus-corpus", &[]),
    ("cantus-crnn", &["cantus-kernels"]),
    ("cantus-eval", &[]),
    ("cantus-kernels", &[]),
    ("cantus-mel", &[]),
    ("cantus-pipeline", &[]),
    ("cantus-train", &["cantus-cache", "cantus-crnn", "cantus-kernels"]),
];

#[test]
fn only_the_arrows_of_the_drawing_exist() {
    let packages = packages();
    let crates: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .filter(|name| is_ours(name) && !["cantus-tests", "xtask"].contains(name))
        .collect();
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(crates, drawn, "a crate is missing from the drawing, or the other way round");
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = ARROWS.iter().find(|(drawn, _)| *drawn == name) else { continue };
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            assert!(!is_ours(on) || allowed.contains(&on), "{name} depends on {on}");
        }
    }
}

fn is_ours(name: &str) -> bool {
    name == "cantus" || name.starts_with("cantus-") || name == "xtask"
}
