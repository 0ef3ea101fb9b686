//! Adam (Kingma & Ba 2015) with a state that can be looked at and saved.
//!
//! candle's own optimiser keeps its moments private, and its variable map has no stable order.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Storage, Tensor, Var};
use cantus_kernels::{AdamMoments, AdamStep, adam_step};

use crate::config::{AdamForm, TrainConfig};
use crate::error::TrainError;
use crate::network::check_like;

/// Adam's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// The step size.
    pub learning_rate: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// What keeps from dividing by zero.
    pub epsilon: f64,
    /// Where epsilon is added.
    pub form: AdamForm,
}

impl From<&TrainConfig> for AdamSettings {
    fn from(config: &TrainConfig) -> Self {
        Self {
            learning_rate: config.learning_rate,
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
            form: config.adam_form,
        }
    }
}

/// What [`Adam`] remembers between steps, to be saved. Names, shapes and types are the
/// parameters'.
#[derive(Debug, Clone)]
pub struct AdamState {
    /// The steps taken so far.
    pub steps: u64,
    /// The decaying mean of each parameter's gradients.
    pub first: BTreeMap<String, Tensor>,
    /// The decaying mean of their squares.
    pub second: BTreeMap<String, Tensor>,
}

/// The optimiser: a mean of gradients and one of their squares for each parameter, by name.
///
/// Parameters are f32 or f64 and on the CPU.
#[derive(Debug)]
pub struct Adam {
    /// May be changed between steps.
    pub settings: AdamSettings,
    steps: u64,
    moments: BTreeMap<String, AdamMoments>,
}

impl Adam {
    /// An optimiser that has seen nothing yet.
    ///
    /// # Errors
    /// [`TrainError::Tensor`] if a parameter is neither f32 nor f64.
    pub fn new(
        settings: AdamSettings,
        parameters: &BTreeMap<String, Var>,
    ) -> Result<Self, TrainError> {
        let moments = parameters
            .iter()
            .map(|(name, parameter)| Ok((name.clone(), AdamMoments::zeros(parameter)?)))
            .collect::<Result<_, TrainError>>()?;
        Ok(Self { settings, steps: 0, moments })
    }

    /// An optimiser with a state saved earlier.
    ///
    /// # Errors
    /// [`TrainError::Disagreement`] if names, shapes or types are not the parameters'.
    pub fn with_state(
        settings: AdamSettings,
        parameters: &BTreeMap<String, Var>,
        state: &AdamState,
    ) -> Result<Self, TrainError> {
        let like = || parameters.iter().map(|(name, parameter)| (name, parameter.as_tensor()));
        check_like("a moment of Adam", &state.first, like())?;
        check_like("a moment of Adam", &state.second, like())?;
        let moments = state
            .first
            .iter()
            .zip(state.second.values())
            .map(|((name, first), second)| {
                Ok((name.clone(), AdamMoments::from_tensors(first, second)?))
            })
            .collect::<Result<_, TrainError>>()?;
        Ok(Self { settings, steps: state.steps, moments })
    }

    /// The steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A copy of the state, in the shapes of the parameters.
    ///
    /// # Errors
    /// [`TrainError::MissingParameter`] if these are not the parameters it was made for.
    pub fn state(&self, parameters: &BTreeMap<String, Var>) -> Result<AdamState, TrainError> {
        let mut state =
            AdamState { steps: self.steps, first: BTreeMap::new(), second: BTreeMap::new() };
        for (name, parameter) in parameters {
            let moments = self.moments.get(name).ok_or_else(|| missing("optimiser state", name))?;
            let (first, second) = moments.to_tensors(parameter)?;
            state.first.insert(name.clone(), first);
            state.second.insert(name.clone(), second);
        }
        Ok(state)
    }

    /// Moves every parameter, in place, by one step down its gradient.
    ///
    /// # Errors
    /// [`TrainError::MissingParameter`] where a gradient or a moment is missing and
    /// [`TrainError::GradientNotFinite`] at NaN or infinity, [`TrainError::Tensor`] where a gradient
    /// has another shape or type than its parameter: then no parameter was changed.
    pub fn step(
        &mut self,
        parameters: &BTreeMap<String, Var>,
        gradients: &GradStore,
    ) -> Result<(), TrainError> {
        let mut found = Vec::with_capacity(parameters.len());
        for (name, parameter) in parameters {
            let gradient = gradients.get(parameter).ok_or_else(|| missing("gradient", name))?;
            let gradient = gradient.contiguous()?;
            if gradient.dims() != parameter.dims() || gradient.dtype() != parameter.dtype() {
                let problem = format!("the gradient of `{name}` is not like the parameter");
                return Err(candle_core::Error::Msg(problem).into());
            }
            if !is_finite(&gradient)? {
                return Err(TrainError::GradientNotFinite { parameter: name.clone() });
            }
            if !self.moments.contains_key(name) {
                return Err(missing("optimiser state", name));
            }
            found.push(gradient);
        }
        self.steps += 1;
        let step = self.settings.step(self.steps);
        for ((name, parameter), gradient) in parameters.iter().zip(&found) {
            let moments =
                self.moments.get_mut(name).ok_or_else(|| missing("optimiser state", name))?;
            adam_step(parameter, gradient, moments, step)?;
        }
        Ok(())
    }
}

fn missing(what: &'static str, parameter: &str) -> TrainError {
    TrainError::MissingParameter { what, parameter: parameter.to_owned() }
}

/// Of a contiguous tensor.
fn is_finite(tensor: &Tensor) -> Result<bool, TrainError> {
    let (storage, layout) = tensor.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + tensor.elem_count();
    Ok(match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => values[range].iter().all(|x| x.is_finite()),
        Storage::Cpu(CpuStorage::F64(values)) => values[range].iter().all(|x| x.is_finite()),
        _ => return Err(candle_core::Error::Msg(UNSUPPORTED.to_owned()).into()),
    })
}

const UNSUPPORTED: &str = "Adam wants parameters and gradients of f32 or f64 on the CPU";

impl AdamSettings {
    fn step(&self, step: u64) -> AdamStep {
        let Self { learning_rate, beta1, beta2, epsilon, form } = *self;
        match form {
            AdamForm::Keras => AdamStep::keras(learning_rate, (beta1, beta2), epsilon, step),
            AdamForm::Torch => AdamStep::torch(learning_rate, (beta1, beta2), epsilon, step),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn settings(form: AdamForm) -> AdamSettings {
        AdamSettings { form, ..AdamSettings::from(&TrainConfig::default()) }
    }

    /// One parameter `p`, whose gradient is `slope` whatever `p` is.
    fn parameters(start: &[f64], dtype: DType) -> BTreeMap<String, Var> {
        let start = Tensor::new(start, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        BTreeMap::from([("p".to_owned(), Var::from_tensor(&start).unwrap())])
    }

    fn gradients(parameters: &BTreeMap<String, Var>, slope: &[f64]) -> GradStore {
        let p = &parameters["p"];
        let slope = Tensor::new(slope, &Device::Cpu).unwrap().to_dtype(p.dtype()).unwrap();
        (p.as_tensor() * slope).unwrap().sum_all().unwrap().backward().unwrap()
    }

    fn values(parameters: &BTreeMap<String, Var>) -> Vec<f64> {
        parameters["p"].to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }

    #[test]
    fn three_steps_agree_with_the_formulas_written_out_in_both_forms() {
        let slopes = [[1e-8, -2.0], [3e-8, 0.5], [-1e-8, 0.1]];
        for form in [AdamForm::Keras, AdamForm::Torch] {
            let mut expected = [0.5, -0.25];
            let (mut m, mut v) = ([0.0; 2], [0.0_f64; 2]);
            for (slope, t) in slopes.iter().zip(1..) {
                let (c1, c2) = (1.0 - 0.9_f64.powi(t), 1.0 - 0.999_f64.powi(t));
                for i in 0..2 {
                    m[i] = 0.9 * m[i] + 0.1 * slope[i];
                    v[i] = 0.999 * v[i] + 0.001 * slope[i] * slope[i];
                    expected[i] -= match form {
                        AdamForm::Keras => 1e-3 * c2.sqrt() / c1 * m[i] / (v[i].sqrt() + 1e-8),
                        AdamForm::Torch => 1e-3 / c1 * m[i] / (v[i].sqrt() / c2.sqrt() + 1e-8),
                    };
                }
            }
            for (dtype, tolerance) in [(DType::F64, 1e-15), (DType::F32, 1e-7)] {
                let parameters = parameters(&[0.5, -0.25], dtype);
                let mut adam = Adam::new(settings(form), &parameters).unwrap();
                for slope in &slopes {
                    adam.step(&parameters, &gradients(&parameters, slope)).unwrap();
                }
                for (got, expected) in values(&parameters).iter().zip(expected) {
                    assert!((got - expected).abs() < tolerance, "{form:?}: {got} {expected}");
                }
            }
        }
    }

    #[test]
    fn a_saved_state_goes_on_to_the_same_bits() {
        let run = |save_after: Option<usize>| {
            let parameters = parameters(&[1.0, 2.0, 3.0], DType::F32);
            let mut adam = Adam::new(settings(AdamForm::Keras), &parameters).unwrap();
            for step in 0..6 {
                if save_after == Some(step) {
                    let state = adam.state(&parameters).unwrap();
                    adam = Adam::with_state(adam.settings, &parameters, &state).unwrap();
                }
                let slope = [0.1 * f64::from(step as u32), -1.0, 0.3];
                adam.step(&parameters, &gradients(&parameters, &slope)).unwrap();
            }
            values(&parameters)
        };
        assert_eq!(run(None), run(Some(3)));
    }

    #[test]
    fn a_gradient_of_nan_changes_nothing_and_is_named() {
        let parameters = parameters(&[1.0, 2.0], DType::F32);
        let mut adam = Adam::new(settings(AdamForm::Keras), &parameters).unwrap();
        let error = adam.step(&parameters, &gradients(&parameters, &[1.0, f64::NAN])).unwrap_err();
        assert!(matches!(error, TrainError::GradientNotFinite { parameter } if parameter == "p"));
        assert_eq!(values(&parameters), [1.0, 2.0]);
        assert_eq!(adam.steps(), 0);
    }

    #[test]
    fn a_parameter_without_gradient_or_state_is_named() {
        let mut both = parameters(&[1.0], DType::F32);
        let gradients = gradients(&both, &[1.0]);
        let mut adam = Adam::new(settings(AdamForm::Keras), &both).unwrap();
        both.insert("q".into(), Var::zeros(1, DType::F32, &Device::Cpu).unwrap());
        let error = adam.step(&both, &gradients).unwrap_err();
        assert_eq!(error.to_string(), "there is no gradient for the parameter `q`");
        assert!(
            Adam::with_state(
                adam.settings,
                &both,
                &adam.state(&BTreeMap::from([("p".to_owned(), both["p"].clone())])).unwrap()
            )
            .is_err()
        );
    }
}
