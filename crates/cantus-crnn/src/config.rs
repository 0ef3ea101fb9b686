use serde::{Deserialize, Serialize};

use crate::CrnnError;

/// Which of the two gated recurrent units in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GruForm {
    /// Keras 2's default, and the paper's: hard sigmoid gates `clip(0.2 v + 0.5, 0, 1)`, the reset
    /// gate applied to the state before the product, one bias.
    #[default]
    Keras,
    /// PyTorch's, cuDNN's, and Keras 3's default: logistic gates, the reset gate applied after the
    /// product, two biases.
    Torch,
}

/// The shape of a [`Crnn2d`](crate::Crnn2d). The default is the paper's network for 20 artists.
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
    /// Probability with which a block's output is dropped in training.
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
    /// Layers of a kind, and sizes, beyond which a configuration is refused: then no product of
    /// sizes overflows.
    const MAX_LAYERS: usize = 64;
    const MAX_SIZE: usize = 1 << 16;

    /// Checks that every size is at least 1, that pooling leaves a mel row, and that probabilities
    /// are such.
    ///
    /// # Errors
    /// [`CrnnError::Config`] with the field's name.
    pub fn validate(&self) -> Result<(), CrnnError> {
        let fail = |field, problem: String| Err(CrnnError::Config { field, problem });
        if self.filters.is_empty() || self.filters.len() > Self::MAX_LAYERS {
            return fail("filters", format!("must name 1 to {} blocks", Self::MAX_LAYERS));
        }
        if self.pools.len() != self.filters.len() {
            let (filters, pools) = (self.filters.len(), self.pools.len());
            return fail(
                "pools",
                format!("must name {filters} windows, as `filters` does, not {pools}"),
            );
        }
        if self.gru_units.is_empty() || self.gru_units.len() > Self::MAX_LAYERS {
            return fail("gru_units", format!("must name 1 to {} layers", Self::MAX_LAYERS));
        }
        let pools = || self.pools.iter();
        let (mel_pools, frame_pools) =
            (pools().map(|p| p.0).collect(), pools().map(|p| p.1).collect());
        for (field, sizes) in [
            ("n_mels", &vec![self.n_mels]),
            ("classes", &vec![self.classes]),
            ("filters", &self.filters),
            ("gru_units", &self.gru_units),
            ("pools", &mel_pools),
            ("pools", &frame_pools),
        ] {
            if let Some(size) = sizes.iter().find(|size| !(1..=Self::MAX_SIZE).contains(*size)) {
                return fail(field, format!("has {size}, expected 1 to {}", Self::MAX_SIZE));
            }
        }
        if self.mel_rows() == 0 {
            return fail("pools", format!("leave nothing of {} mel bands", self.n_mels));
        }
        for (field, probability) in
            [("block_dropout", self.block_dropout), ("dense_dropout", self.dense_dropout)]
        {
            if !(0.0..1.0).contains(&probability) {
                return fail(field, format!("is {probability}, expected at least 0 and below 1"));
            }
        }
        if !(self.batch_norm_epsilon > 0.0 && self.batch_norm_epsilon.is_finite()) {
            return fail(
                "batch_norm_epsilon",
                format!("is {}, expected more than 0", self.batch_norm_epsilon),
            );
        }
        if !(0.0..=1.0).contains(&self.batch_norm_momentum) {
            return fail(
                "batch_norm_momentum",
                format!("is {}, expected 0 to 1", self.batch_norm_momentum),
            );
        }
        Ok(())
    }

    /// Mel rows that are left after the last block.
    pub fn mel_rows(&self) -> usize {
        self.pools.iter().fold(self.n_mels, |rows, pool| rows / pool.0.max(1))
    }

    /// Recurrent steps of a clip of `frames`: what pooling leaves of its frames.
    pub fn steps(&self, frames: usize) -> usize {
        self.pools.iter().fold(frames, |frames, pool| frames / pool.1.max(1))
    }

    /// The shortest clip that leaves one recurrent step: 16 frames, or 0.5 s, by default.
    pub fn minimum_frames(&self) -> usize {
        self.pools.iter().fold(1usize, |frames, pool| frames.saturating_mul(pool.1))
    }

    /// Numbers that a clip's embedding has: the units of the last recurrent layer.
    pub fn embedding_size(&self) -> usize {
        self.gru_units.last().copied().unwrap_or(0)
    }
}
