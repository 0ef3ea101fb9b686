//! File and folder names made of artists', albums' and songs' names.

use std::collections::HashMap;

use super::sha256::Sha256Sum;

/// With a suffix against collisions and an extension, well below the 255 bytes of file systems.
const MAX_BYTES: usize = 180;

/// A name that every common file system takes: no separators, control characters or leading dots,
/// at most 180 bytes, never empty.
pub(super) fn file_name(text: &str) -> String {
    let replaced: String = text
        .chars()
        .map(|letter| match letter {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            letter if letter.is_control() => '_',
            letter => letter,
        })
        .collect();
    let edge = |letter: char| letter == '.' || letter.is_whitespace();
    let mut name = replaced.trim_matches(edge);
    if name.len() > MAX_BYTES {
        let end = (0..=MAX_BYTES).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        name = name[..end].trim_end_matches(edge);
    }
    if name.is_empty() { "_".to_owned() } else { name.to_owned() }
}

/// The file names of things that share a folder, each given as (name, sum that tells it apart),
/// in their order. Where two would fall together, even on a file system that does not tell small
/// letters from capitals, the start of the sum is added to both; so what a thing is called does
/// not depend on the order.
pub(super) fn file_names_in_a_folder(things: &[(&str, Sha256Sum)]) -> Vec<String> {
    let plain: Vec<String> = things.iter().map(|(name, _)| file_name(name)).collect();
    let mut uses: HashMap<String, usize> = HashMap::new();
    for name in &plain {
        *uses.entry(name.to_lowercase()).or_default() += 1;
    }
    plain
        .into_iter()
        .zip(things)
        .map(|(name, (_, sum))| match uses.get(&name.to_lowercase()) {
            Some(0 | 1) | None => name,
            Some(_) => format!("{name}-{}", sum.short()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_control_characters_become_underscores() {
        assert_eq!(file_name("Wesnoth OST disc 2 / bonus"), "Wesnoth OST disc 2 _ bonus");
        assert_eq!(file_name("UFO: Alien\0Invasion\n"), "UFO_ Alien_Invasion_");
        assert_eq!(file_name("Megtört Álom 🎵"), "Megtört Álom 🎵");
    }

    #[test]
    fn no_name_climbs_or_hides() {
        assert_eq!(file_name(".."), "_");
        assert_eq!(file_name(""), "_");
        assert_eq!(file_name("../x"), "_x");
        assert_eq!(file_name(" .hidden"), "hidden");
        assert_eq!(file_name("You Lose..."), "You Lose");
    }

    #[test]
    fn long_names_are_cut_between_letters() {
        let name = file_name(&format!("x{}", "é".repeat(300)));
        assert!(name.len() <= MAX_BYTES && name.len() > MAX_BYTES - 2, "{}", name.len());
    }

    #[test]
    fn names_that_would_fall_together_are_told_apart_by_their_sum() {
        let (one, two) = (Sha256Sum::of(b"1"), Sha256Sum::of(b"2"));
        let names = file_names_in_a_folder(&[("a/b", one), ("A:b", two), ("c", one)]);
        let expected = [format!("a_b-{}", one.short()), format!("A_b-{}", two.short()), "c".into()];
        assert_eq!(names, expected);
    }
}
