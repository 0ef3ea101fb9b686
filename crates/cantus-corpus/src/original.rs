//! The splits of the paper's own code, index for index.
//!
//! They need no corpus: whoever wants scikit-learn's stratified split or the original's album
//! orders in Rust can call them by themselves. They are those of scikit-learn 0.20.0 on NumPy
//! 1.14.5, which the original ran on, and of any Python 3. scikit-learn of today (1.9.1) computes
//! an artist's share in another order of operations, so that some remainders are no longer equal
//! to the last bit and their tie is broken otherwise: of 2065 made-up corpora 191 were split
//! differently.

use crate::error::CorpusError;
use crate::mersenne_twister::MersenneTwister;
use crate::split::Part;

/// Indices of the songs of each part, in the order in which scikit-learn returns them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SongParts {
    /// Songs to train on.
    pub train: Vec<usize>,
    /// Songs to validate on.
    pub validation: Vec<usize>,
    /// Songs to test on.
    pub test: Vec<usize>,
}

/// The original's split by song: a tenth of all for the test, a tenth of the rest for validation.
///
/// `labels` are the songs' artists, numbered in the order of their sorted names. This is
/// `train_test_split(test_size=0.1, stratify=labels, random_state=seed)` and the same again on the
/// songs to train on, in the order that the first one gave them.
///
/// # Errors
///
/// [`CorpusError::OriginalRefuses`] where scikit-learn refuses: a part smaller than the number of
/// artists, or an artist with a single song to draw from.
pub fn song_split(labels: &[usize], seed: u32) -> Result<SongParts, CorpusError> {
    let (rest, test) = train_test_split(labels, seed, Part::Test)?;
    let rest_labels: Vec<usize> = rest.iter().map(|&song| labels[song]).collect();
    let (train, validation) = train_test_split(&rest_labels, seed, Part::Validation)?;
    let songs = |indices: Vec<usize>| indices.into_iter().map(|index| rest[index]).collect();
    Ok(SongParts { train: songs(train), validation: songs(validation), test })
}

/// The original's album orders: one permutation for each artist, by Python's `random.shuffle`
/// after one `random.seed(seed)`.
///
/// The first album is for the test, the second for validation, the rest to train. `albums` are
/// the numbers of albums of the artists, both in the order in which the original would list them.
pub fn album_orders(albums: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let mut twister = MersenneTwister::python(seed);
    let order = |&count: &usize| {
        let mut order: Vec<usize> = (0..count).collect();
        twister.python_shuffle(&mut order);
        order
    };
    albums.iter().map(order).collect()
}

/// `train_test_split(range(n), test_size=0.1, stratify=labels, random_state=seed)`.
fn train_test_split(
    labels: &[usize],
    seed: u32,
    part: Part,
) -> Result<(Vec<usize>, Vec<usize>), CorpusError> {
    let songs_by_class = songs_by_class(labels);
    let counts: Vec<usize> = songs_by_class.iter().map(Vec::len).collect();
    // 0.1 * n rounded up is this in f64 too: 0.1's own error is lost in the product's rounding.
    let held_out = labels.len().div_ceil(10);
    let kept = labels.len() - held_out;
    let smallest = counts.iter().copied().min().unwrap_or(0);
    if smallest < 2 || held_out.min(kept) < counts.len() {
        return Err(CorpusError::OriginalRefuses {
            part,
            songs: held_out,
            artists: counts.len(),
            smallest,
        });
    }

    let mut twister = MersenneTwister::numpy(seed);
    let kept_by_class = approximate_mode(&counts, kept, &mut twister);
    let remaining: Vec<usize> =
        counts.iter().zip(&kept_by_class).map(|(count, kept)| count - kept).collect();
    let held_out_by_class = approximate_mode(&remaining, held_out, &mut twister);

    let (mut train, mut test) = (Vec::with_capacity(kept), Vec::with_capacity(held_out));
    for (class, songs) in songs_by_class.iter().enumerate() {
        let order = twister.numpy_permutation(songs.len());
        let mut drawn = order.into_iter().map(|index| songs[index]);
        train.extend(drawn.by_ref().take(kept_by_class[class]));
        test.extend(drawn.take(held_out_by_class[class]));
    }
    twister.numpy_shuffle(&mut train);
    twister.numpy_shuffle(&mut test);
    Ok((train, test))
}

/// The songs of each class that occurs, classes and songs in ascending order.
fn songs_by_class(labels: &[usize]) -> Vec<Vec<usize>> {
    let mut by_class = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    for (song, &label) in labels.iter().enumerate() {
        by_class.entry(label).or_default().push(song);
    }
    by_class.into_values().collect()
}

/// scikit-learn 0.20's `_approximate_mode`: whole shares of `draws` in proportion to `counts`,
/// what is left over going to the largest remainders, ties by lot.
fn approximate_mode(counts: &[usize], draws: usize, twister: &mut MersenneTwister) -> Vec<usize> {
    let total: usize = counts.iter().sum();
    // The order of these two operations decides which remainders are equal to the last bit.
    let continuous: Vec<f64> =
        counts.iter().map(|&count| (draws * count) as f64 / total as f64).collect();
    let mut shares: Vec<usize> = continuous.iter().map(|share| share.floor() as usize).collect();
    let remainders: Vec<f64> = continuous.iter().map(|share| share - share.floor()).collect();
    let mut left_over = draws - shares.iter().sum::<usize>();

    let mut values = remainders.clone();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values.dedup();
    for value in values {
        if left_over == 0 {
            break;
        }
        let mut tied: Vec<usize> = (0..counts.len())
            .filter(|&class| remainders[class].total_cmp(&value).is_eq())
            .collect();
        // `choice` without replacement is a whole permutation, even where all are taken.
        twister.numpy_shuffle(&mut tied);
        for &class in tied.iter().take(left_over) {
            shares[class] += 1;
        }
        left_over -= tied.len().min(left_over);
    }
    shares
}
