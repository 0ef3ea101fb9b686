use crate::{BaselineError, SongGaussian, checks};

/// Songs whose artists are known: what a classifier of songs learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSongs {
    songs: Vec<SongGaussian>,
    classes: Vec<usize>,
    n_classes: usize,
}

impl LabelledSongs {
    /// Songs and the class of each, 0 to `n_classes - 1`.
    ///
    /// # Errors
    ///
    /// [`BaselineError::LabelCount`] for lengths that do not match,
    /// [`BaselineError::TooFewClasses`], [`BaselineError::UnknownClass`] and
    /// [`BaselineError::EmptyClass`] for the classes, [`BaselineError::Width`] for songs of
    /// different numbers of coefficients.
    pub fn new(
        songs: Vec<SongGaussian>,
        classes: Vec<usize>,
        n_classes: usize,
    ) -> Result<Self, BaselineError> {
        checks::class_counts(songs.len(), &classes, n_classes)?;
        for song in &songs {
            songs[0].check_width(song)?;
        }
        Ok(Self { songs, classes, n_classes })
    }

    /// The songs, in the order given; never empty.
    pub fn songs(&self) -> &[SongGaussian] {
        &self.songs
    }

    /// The class of each song.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// How many classes there are.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The [symmetric divergence](SongGaussian::symmetric_divergence) between `song` and each of
    /// these.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Width`] if it has another number of coefficients than they.
    pub fn distances(&self, song: &SongGaussian) -> Result<Vec<f64>, BaselineError> {
        self.songs[0].check_width(song)?;
        Ok(self.songs.iter().map(|other| other.distance(song)).collect())
    }

    /// The divergence between each two of these: songs x songs, symmetric, 0 on the diagonal.
    pub(crate) fn all_distances(&self) -> Vec<f64> {
        let count = self.songs.len();
        let mut distances = vec![0.0; count * count];
        for (i, song) in self.songs.iter().enumerate() {
            for (j, other) in self.songs[..i].iter().enumerate() {
                let distance = song.distance(other);
                distances[i * count + j] = distance;
                distances[j * count + i] = distance;
            }
        }
        distances
    }
}
