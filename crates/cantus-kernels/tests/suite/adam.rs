//! Steps of Adam that there are none of.

use candle_core::{DType, Device, Tensor};
use cantus_kernels::{AdamMoments, AdamStep, KernelError, adam_step};

#[test]
fn a_step_that_would_leave_no_number_is_refused_and_changes_nothing() {
    let parameter = Tensor::ones(3, DType::F32, &Device::Cpu).unwrap();
    let gradient = Tensor::ones(3, DType::F32, &Device::Cpu).unwrap();
    let betas = (0.9, 0.999);
    for (step, name) in [
        // Steps are counted from 1.
        (AdamStep::torch(1e-3, betas, 1e-8, 0), "rate"),
        (AdamStep::keras(1e-3, betas, 1e-8, 0), "rate"),
        (AdamStep::torch(1e-3, (1.0, 0.999), 1e-8, 1), "beta1"),
        (AdamStep::torch(1e-3, (0.9, -0.1), 1e-8, 1), "beta2"),
        (AdamStep::torch(f64::NAN, betas, 1e-8, 1), "rate"),
        (AdamStep::torch(1e-3, betas, f64::INFINITY, 1), "epsilon"),
    ] {
        let mut moments = AdamMoments::zeros(&parameter).unwrap();
        let refused = adam_step(&parameter, &gradient, &mut moments, step);
        assert!(
            matches!(&refused, Err(KernelError::Parameter { parameter, .. }) if *parameter == name),
            "{step:?}: {refused:?}"
        );
        assert_eq!(parameter.to_vec1::<f32>().unwrap(), [1.0; 3]);
    }
}
