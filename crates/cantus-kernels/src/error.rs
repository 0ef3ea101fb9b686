use candle_core::{DType, Shape};

/// Why an operation could not be carried out.
///
/// Converts into [`candle_core::Error`], so that the operations can be called from code that
/// returns candle's own result type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The element type is neither f32 nor f64.
    #[error("{operation}: expected f32 or f64 elements, got {got:?}")]
    ElementType {
        /// The operation that was called.
        operation: &'static str,
        /// What it was given.
        got: DType,
    },

    /// Two operands have different element types.
    #[error("{operation}: {operand} has {got:?} elements, the input has {expected:?}")]
    MixedElementTypes {
        /// The operation that was called.
        operation: &'static str,
        /// The operand that differs.
        operand: &'static str,
        /// The input's element type.
        expected: DType,
        /// The operand's element type.
        got: DType,
    },

    /// An operand has a shape that does not fit the operation or the other operands.
    #[error("{operation}: expected {operand} of shape {expected}, got {got:?}")]
    OperandShape {
        /// The operation that was called.
        operation: &'static str,
        /// The operand that does not fit.
        operand: &'static str,
        /// The shape that would fit, in words.
        expected: String,
        /// The shape it has.
        got: Shape,
    },

    /// An operand that this form of the operation needs was not given.
    #[error("{operation}: expected {operand} of shape {expected}, got none")]
    MissingOperand {
        /// The operation that was called.
        operation: &'static str,
        /// The operand that is missing.
        operand: &'static str,
        /// The shape that it would have, in words.
        expected: String,
    },

    /// A number that steers the operation is out of its range.
    #[error("{operation}: {parameter} is {got}, expected {expected}")]
    Parameter {
        /// The operation that was called.
        operation: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// The values that it may take, in words.
        expected: &'static str,
        /// Its value.
        got: f64,
    },

    /// The classes that a loss is computed for, or their weights, do not fit.
    #[error("{operation}: {problem}")]
    Targets {
        /// The operation that was called.
        operation: &'static str,
        /// What does not fit, in words.
        problem: String,
    },

    /// A tensor does not live in main memory: there is no code for GPUs here.
    #[error("{operation}: runs on the CPU alone, got a tensor on another device")]
    Device {
        /// The operation that was called.
        operation: &'static str,
    },

    /// candle itself failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<KernelError> for candle_core::Error {
    fn from(error: KernelError) -> Self {
        match error {
            KernelError::Candle(inner) => inner,
            other => Self::wrap(other),
        }
    }
}
