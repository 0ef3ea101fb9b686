//! A part of a corpus' artists.

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::{Result, bail};
use cantus_corpus::{Corpus, choose_artists};
use serde::{Deserialize, Serialize};

/// Which artists: so many drawn by lot, or those named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Artists {
    /// So many, drawn with the trial's seed.
    Drawn(usize),
    /// These.
    Named(BTreeSet<String>),
}

impl Artists {
    /// The artists of a corpus.
    ///
    /// # Errors
    /// Where there are fewer, or one that is named is not there.
    pub(crate) fn of(&self, corpus: &Corpus, seed: u64) -> Result<BTreeSet<String>> {
        let artists = corpus.artists();
        match self {
            Self::Drawn(count) if *count > artists.len() => {
                bail!(
                    "`--artists {count}` asks for more artists than the {} there are",
                    artists.len()
                )
            }
            Self::Drawn(count) => Ok(choose_artists(corpus, *count, seed)),
            Self::Named(names) => {
                let missing = names.iter().find(|name| !artists.contains_key(name.as_str()));
                if let Some(missing) = missing {
                    let there: Vec<&str> = artists.into_keys().collect();
                    bail!(
                        "there is no artist `{missing}` with songs that can be used\n\n\
                         hint: there are {}",
                        there.join(", ")
                    );
                }
                Ok(names.clone())
            }
        }
    }
}

impl FromStr for Artists {
    type Err = String;

    /// A number, or names parted by semicolons (names have commas).
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(count) = text.trim().parse::<usize>() {
            return if count < 2 {
                Err("there is nobody to tell apart of fewer than two artists".to_owned())
            } else {
                Ok(Self::Drawn(count))
            };
        }
        let names: BTreeSet<String> = text
            .split(';')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        if names.len() < 2 {
            return Err("name two artists or more, parted by `;`, or how many to draw".to_owned());
        }
        Ok(Self::Named(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_draws_and_names_name() {
        assert_eq!("5".parse(), Ok(Artists::Drawn(5)));
        let named =
            |names: &[&str]| Ok(Artists::Named(names.iter().map(ToString::to_string).collect()));
        assert_eq!("Ann; Crosby, Stills & Nash".parse(), named(&["Ann", "Crosby, Stills & Nash"]));
        for text in ["", "1", "0", "Ann", "Ann;"] {
            assert!(text.parse::<Artists>().is_err(), "{text}");
        }
    }
}
