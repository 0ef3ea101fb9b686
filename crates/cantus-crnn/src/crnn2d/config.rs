use serde::{Deserialize, Serialize};

use crate::GruForm;

/// The shape of a convolutional recurrent network over mel and time. The default is the paper's
/// network for 20 artists.
///
/// Batch normalisation over mel bands; blocks of 3x3 convolution, ELU, batch normalisation, max
/// pooling and dropout; recurrent layers; dropout and a dense layer on the last state. A block whose
/// window is `(1, 1)` neither pools nor drops: so several convolutions make a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crnn2dConfig {
    /// Mel bands of the input.
    pub n_mels: usize,
    /// Filters of each convolution block.
    pub filters: Vec<usize>,
    /// Pooling window of each block, (mel, frame). Incomplete windows are dropped.
    pub pools: Vec<(usize, usize)>,
    /// Units of each recurrent layer.
    pub gru_units: Vec<usize>,
    /// Classes to tell apart.
    pub classes: usize,
    /// The recurrent layers' equations.
    pub gru_form: GruForm,
    /// Probability with which a block's output is dropped in training, where the block pools.
    pub block_dropout: f64,
    /// Probability with which the dense layer's input is dropped in training.
    pub dense_dropout: f64,
    /// Added to the variance in batch normalisation.
    pub batch_norm_epsilon: f64,
    /// Weight of the old running statistics when a batch's are folded in.
    pub batch_norm_momentum: f64,
}

impl Default for Crnn2dConfig {
    fn default() -> Self {
        Self {
            n_mels: 128,
            filters: vec![64, 128, 128, 128],
            pools: vec![(2, 2), (4, 2), (4, 2), (4, 2)],
            gru_units: vec![32, 32],
            classes: 20,
            gru_form: GruForm::Keras,
            block_dropout: 0.1,
            dense_dropout: 0.3,
            batch_norm_epsilon: 1e-3,
            batch_norm_momentum: 0.99,
        }
    }
}

impl Crnn2dConfig {
    /// `CRNN2DLarger` of the paper's code: five wider blocks, of which the last two leave the time
    /// axis as it is.
    pub fn larger() -> Self {
        Self {
            filters: vec![64, 128, 256, 512, 512],
            pools: vec![(2, 2), (2, 2), (2, 2), (4, 1), (4, 1)],
            ..Self::default()
        }
    }

    /// `CRNN2DVGG` of the paper's code: the groups of [`larger`](Self::larger) with two or three
    /// convolutions each, as VGG has them.
    pub fn vgg() -> Self {
        let larger = Self::larger();
        let (mut filters, mut pools) = (Vec::new(), Vec::new());
        let groups = larger.filters.into_iter().zip(larger.pools);
        for ((group_filters, pool), convolutions) in groups.zip([2, 2, 3, 3, 3]) {
            filters.extend(vec![group_filters; convolutions]);
            pools.extend(vec![(1, 1); convolutions - 1]);
            pools.push(pool);
        }
        Self { filters, pools, dense_dropout: 0.2, ..Self::default() }
    }

    /// Mel rows that are left after the last block.
    pub fn mel_rows(&self) -> usize {
        self.pools.iter().fold(self.n_mels, |rows, pool| rows / pool.0.max(1))
    }
}
