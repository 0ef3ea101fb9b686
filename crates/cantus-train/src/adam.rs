//! Adam (Kingma & Ba 2015) with a state that can be looked at and saved.
//!
//! candle's own optimiser keeps its moments private, and its variable map has no stable order.

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Storage, Tensor, Var, bail};

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

/// The moments of one parameter, flat, in the parameter's own type.
#[derive(Debug, Clone)]
enum Moments {
    F32 { first: Vec<f32>, second: Vec<f32> },
    F64 { first: Vec<f64>, second: Vec<f64> },
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
    moments: BTreeMap<String, Moments>,
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
        let zeros = |parameter: &Var| -> Result<_, TrainError> {
            let zeros = parameter.zeros_like()?;
            Moments::from_tensors(&zeros, &zeros)
        };
        let moments = parameters
            .iter()
            .map(|(name, parameter)| Ok((name.clone(), zeros(parameter)?)))
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
                Ok((name.clone(), Moments::from_tensors(first, second)?))
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
    /// [`TrainError::GradientNotFinite`] at NaN or infinity: then no parameter was changed.
    pub fn step(
        &mut self,
        parameters: &BTreeMap<String, Var>,
        gradients: &GradStore,
    ) -> Result<(), TrainError> {
        let mut found = Vec::with_capacity(parameters.len());
        for (name, parameter) in parameters {
            let gradient = gradients.get(parameter).ok_or_else(|| missing("gradient", name))?;
            let gradient = gradient.contiguous()?;
            if !is_finite(&gradient)? {
                return Err(TrainError::GradientNotFinite { parameter: name.clone() });
            }
            if !self.moments.contains_key(name) {
                return Err(missing("optimiser state", name));
            }
            found.push(gradient);
        }
        self.steps += 1;
        let coefficients = Coefficients::new(&self.settings, self.steps);
        for ((name, parameter), gradient) in parameters.iter().zip(&found) {
            let moments =
                self.moments.get_mut(name).ok_or_else(|| missing("optimiser state", name))?;
            let moments = RefCell::new(moments);
            parameter.inplace_op1(&Update { gradient, moments, coefficients })?;
        }
        Ok(())
    }
}

impl Moments {
    fn from_tensors(first: &Tensor, second: &Tensor) -> Result<Self, TrainError> {
        let (first, second) = (first.flatten_all()?, second.flatten_all()?);
        Ok(if first.dtype() == candle_core::DType::F64 {
            Self::F64 { first: first.to_vec1()?, second: second.to_vec1()? }
        } else {
            Self::F32 { first: first.to_vec1()?, second: second.to_vec1()? }
        })
    }

    fn to_tensors(&self, like: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        let (shape, device) = (like.shape(), &Device::Cpu);
        Ok(match self {
            Self::F32 { first, second } => (
                Tensor::from_slice(first, shape, device)?,
                Tensor::from_slice(second, shape, device)?,
            ),
            Self::F64 { first, second } => (
                Tensor::from_slice(first, shape, device)?,
                Tensor::from_slice(second, shape, device)?,
            ),
        })
    }
}

fn missing(what: &'static str, parameter: &str) -> TrainError {
    TrainError::MissingParameter { what, parameter: parameter.to_owned() }
}

fn is_finite(tensor: &Tensor) -> Result<bool, TrainError> {
    let (storage, layout) = tensor.storage_and_layout();
    Ok(match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => {
            slice(values, layout)?.iter().all(|x| x.is_finite())
        }
        Storage::Cpu(CpuStorage::F64(values)) => {
            slice(values, layout)?.iter().all(|x| x.is_finite())
        }
        _ => return Err(unsupported().into()),
    })
}

/// The part of a storage that a contiguous tensor covers.
fn slice<'a, T>(values: &'a [T], layout: &Layout) -> candle_core::Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("Adam wants contiguous gradients"),
    }
}

fn unsupported() -> candle_core::Error {
    candle_core::Error::Msg("Adam wants parameters and gradients of f32 or f64 on the CPU".into())
}

/// The numbers of one step, shared by all parameters:
/// `p -= rate * m / (sqrt(v) * root_scale + epsilon)`.
#[derive(Debug, Clone, Copy)]
struct Coefficients {
    beta1: f64,
    beta2: f64,
    rate: f64,
    root_scale: f64,
    epsilon: f64,
}

impl Coefficients {
    fn new(settings: &AdamSettings, step: u64) -> Self {
        let AdamSettings { learning_rate, beta1, beta2, epsilon, form } = *settings;
        let t = step as f64;
        let (correction1, correction2) = (1.0 - beta1.powf(t), 1.0 - beta2.powf(t));
        let (rate, root_scale) = match form {
            AdamForm::Keras => (learning_rate * correction2.sqrt() / correction1, 1.0),
            AdamForm::Torch => (learning_rate / correction1, 1.0 / correction2.sqrt()),
        };
        Self { beta1, beta2, rate, root_scale, epsilon }
    }
}

/// The update of one parameter. candle lends its storage for writing through this trait alone.
struct Update<'a> {
    gradient: &'a Tensor,
    moments: RefCell<&'a mut Moments>,
    coefficients: Coefficients,
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("Adam wants contiguous parameters");
        };
        let (gradients, gradient_layout) = self.gradient.storage_and_layout();
        let Storage::Cpu(gradients) = &*gradients else { return Err(unsupported()) };
        let c = self.coefficients;
        match (storage, gradients, &mut **self.moments.borrow_mut()) {
            (
                CpuStorage::F32(values),
                CpuStorage::F32(gradients),
                Moments::F32 { first, second },
            ) => {
                let (beta1, beta2) = (c.beta1 as f32, c.beta2 as f32);
                let (rest1, rest2) = ((1.0 - c.beta1) as f32, (1.0 - c.beta2) as f32);
                let (rate, root_scale, epsilon) =
                    (c.rate as f32, c.root_scale as f32, c.epsilon as f32);
                let moments = first.iter_mut().zip(second);
                let gradients = slice(gradients, gradient_layout)?;
                for ((p, g), (m, v)) in values[start..end].iter_mut().zip(gradients).zip(moments) {
                    *m = beta1 * *m + rest1 * g;
                    *v = beta2 * *v + rest2 * (g * g);
                    *p -= rate * *m / (v.sqrt() * root_scale + epsilon);
                }
            }
            (
                CpuStorage::F64(values),
                CpuStorage::F64(gradients),
                Moments::F64 { first, second },
            ) => {
                let moments = first.iter_mut().zip(second);
                let gradients = slice(gradients, gradient_layout)?;
                for ((p, g), (m, v)) in values[start..end].iter_mut().zip(gradients).zip(moments) {
                    *m = c.beta1 * *m + (1.0 - c.beta1) * g;
                    *v = c.beta2 * *v + (1.0 - c.beta2) * (g * g);
                    *p -= c.rate * *m / (v.sqrt() * c.root_scale + c.epsilon);
                }
            }
            _ => return Err(unsupported()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

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
